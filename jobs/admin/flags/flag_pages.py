"""The pages that put and remove a flag: a form, what it means for the last jobs, then the act by POST."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from jobs.admin.rights import may_roll_out, require
from jobs.core.errors import PlatformError
from jobs.core.rollouts.flag_requests import FlagPreview
from jobs.services.access.request_origin import origin
from jobs.services.flags.flag_preview import preview_flag
from jobs.services.flags.put_known import put_known_flag
from models_registry.core.routing.flag_document import FlagDocument
from models_registry.core.struct_fields import field_rows
from models_registry.models import Flag
from models_registry.services.flags import remove_flag
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import pretty

PAGE, LIST = "admin:models_registry_flag_change", "admin:models_registry_flag_changelist"
PUT_NEW, PUT, REMOVE = "models_registry_flag_new", "models_registry_flag_put", "models_registry_flag_remove"
DOCUMENT_CHARS = 60_000
PREVIEWED_JOBS = 1_000
_NEW = {"owner": "", "expires_at": "", "on": True, "share": 1.0, "clients": [], "when": None}


class FlagForm(forms.Form):
    """A flag as a person writes it; `number` is that of the flag that was read, 0 where there was none."""

    name = forms.CharField(max_length=63, help_text="Lower-case letters, digits, dots, dashes, underscores.")
    document = forms.CharField(
        max_length=DOCUMENT_CHARS,
        help_text="JSON; its fields are below.",
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
    )
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def clean_document(self) -> dict[str, Any]:
        """Return the document as an object."""
        try:
            document = json.loads(self.cleaned_data["document"])
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"The document is no JSON: {error}.") from None
        if not isinstance(document, dict):
            raise forms.ValidationError("A flag is a JSON object.")
        return document


class RemovalForm(forms.Form):
    """Why a flag is removed; `number` is that of the flag that was read."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


def put_page(request: HttpRequest, key: int | None = None, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Show the form, then for whom the flag would be on, and put it where the POST confirms that."""
    require(admin, request, can=may_roll_out(request))
    flag = _flag(key)
    form = FlagForm(request.POST or None, initial=_initial(flag))
    if flag is not None:
        form.fields["name"].widget = forms.HiddenInput()
    context = _context(request, admin, flag, form, f"Change {flag}" if flag else "Put a flag in force")
    context["fields"] = field_rows(FlagDocument)
    if form.is_bound and form.is_valid() and request.POST.get("step") != "edit":
        answers = form.cleaned_data
        try:
            if request.POST.get("step") == "put":
                return _put(request, answers)
            context |= _foreseen(request, form)
        except PlatformError as error:
            form.add_error(None, str(error))
    return TemplateResponse(request, "admin/jobs/flags/put.html", context)


def remove_page(request: HttpRequest, key: int, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Ask for the reason, and remove the flag by POST."""
    require(admin, request, can=may_roll_out(request))
    flag = _flag(key)
    if flag is None:
        raise Http404
    form = RemovalForm(request.POST or None, initial={"number": flag.number})
    if form.is_bound and form.is_valid():
        try:
            remove_flag(name=flag.name, **_by(request, form.cleaned_data))
        except PlatformError as error:
            messages.error(request, str(error))
            return redirect(PAGE, flag.pk)
        messages.success(request, f"The flag {flag.name} is removed; its history stays.")
        return redirect(LIST)
    context = _context(request, admin, flag, form, f"Remove {flag}")
    return TemplateResponse(request, "admin/jobs/flags/remove.html", context)


def _flag(key: int | None) -> Flag | None:
    flag = Flag.objects.filter(pk=key).first() if key is not None else None
    if key is not None and flag is None:
        raise Http404
    return flag


def _initial(flag: Flag | None) -> dict[str, Any]:
    if flag is None:
        return {"document": pretty(_NEW), "number": 0}
    return {"name": flag.name, "document": pretty(flag.document), "number": flag.number}


def _put(request: HttpRequest, answers: dict[str, Any]) -> HttpResponse:
    row = put_known_flag(name=answers["name"], document=answers["document"], **_by(request, answers))
    messages.success(request, f"The flag {row.name} is in force, everywhere within two seconds.")
    return redirect(PAGE, row.pk)


def _by(request: HttpRequest, answers: dict[str, Any]) -> dict[str, Any]:
    who = {"actor": request.user.get_username(), "address": origin().address}
    return who | {"reason": answers["reason"], "number": answers["number"]}


def _foreseen(request: HttpRequest, form: FlagForm) -> dict[str, Any]:
    """Return what a person confirms; the texts of the form go along unchanged. A PlatformError."""
    answers = form.cleaned_data
    asked = FlagPreview(document=answers["document"], last=PREVIEWED_JOBS)
    seen = preview_flag(name=answers["name"], asked=asked, client=request.user.get_username())
    return {
        "title": f"Put {answers['name']} in force?",
        "seen": seen,
        "clients": sorted(seen.by_client.items(), key=lambda client: -client[1])[:20],
        "whole": pretty(seen.document),
        "sent": [(name, form.data.get(name, "")) for name in ("name", "document", "reason", "number")],
    }


def _context(
    request: HttpRequest, admin: ReadOnlyAdmin, flag: Flag | None, form: forms.Form, title: str
) -> dict[str, Any]:
    each = admin.admin_site.each_context(request)
    return {**each, "title": title, "opts": admin.opts, "flag": flag, "form": form}
