"""Edit a group of dead letters by a JSON Patch: a dry run on every input, then one job first."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from jobs.admin.dead_letters.forms import FILTERS, ManyForm
from jobs.admin.dead_letters.listing import grouped
from jobs.admin.dead_letters.many import LIST
from jobs.admin.rights import may_act, may_see, require
from jobs.core.acting.json_edit import MOST_CHARS, JsonEdit
from jobs.core.errors import PlatformError
from jobs.db.statement import storable
from jobs.services.dead_letters.canary import start_replay
from jobs.services.dead_letters.group_edit import EditTrial, GroupEdit, try_edit
from models_registry.models import ModelVersion
from models_registry.shared.admin_readonly import ReadOnlyAdmin

VERSIONS_SHOWN = 100
SAMPLE = '[{"op": "replace", "path": "/text", "value": "…"}]'


class EditGroupForm(ManyForm):
    """Which dead letters of one model, the patch, and the version that is to run them."""

    patch = forms.CharField(
        required=False, max_length=MOST_CHARS, label="JSON Patch",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "placeholder": SAMPLE}),
    )  # fmt: skip
    version = forms.ChoiceField(required=False, label="Replay on")

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        name = data.get("model", "")
        rows = ModelVersion.objects.filter(model__name=name if storable(name) else "").order_by("-id")
        pairs = rows.values_list("id", "version")[:VERSIONS_SHOWN]
        choices = [("", "each job's own version"), *pairs]
        self.fields["version"].choices = choices  # type: ignore[attr-defined]  # the stubs know any field

    def clean_model(self) -> str:
        """Return the model, which has to be chosen: an edit is for inputs of one shape."""
        model: str = self.cleaned_data["model"]
        if not model:
            raise forms.ValidationError("Choose the model whose dead letters are to be edited.")
        return model

    def clean_patch(self) -> str:
        """Return the patch; an error where it is none."""
        patch: str = self.cleaned_data["patch"].strip()
        try:
            if patch:
                JsonEdit(patch)
        except PlatformError as error:
            raise forms.ValidationError(str(error)) from None
        return patch

    def clean(self) -> dict[str, Any]:
        """Refuse an edit that changes nothing."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not (cleaned.get("patch", " ") or cleaned.get("version")):
            raise forms.ValidationError("Write a patch, choose another version, or both.")
        return cleaned

    @property
    def edit(self) -> GroupEdit:
        """Return the edit of a valid form."""
        version = self.cleaned_data["version"]
        return GroupEdit(self.cleaned_data["patch"], int(version) if version else None)

    @property
    def mark(self) -> str:
        """Return a mark of what a dry run of a valid form tries: only that may be confirmed."""
        tried = [str(self.cleaned_data[name]) for name in (*FILTERS, "job", "limit", "patch", "version")]
        return salted_hmac("edit-group", json.dumps(tried), algorithm="sha256").hexdigest()


def edit_group(request: HttpRequest, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Show the form; by POST do a dry run of the edit, or begin the replay."""
    require(admin, request, can=may_act(request) and may_see(request))
    form = EditGroupForm(request.POST if request.method == "POST" else request.GET)
    trial: EditTrial | None = None
    fault = ""
    if request.method == "POST" and form.is_valid():
        try:
            if "confirm" in request.POST and constant_time_compare(request.POST.get("tried", ""), form.mark):
                return _begun(request, form)
            if "confirm" in request.POST:
                fault = "This is not what was tried before. It was tried now: look at what it would do."
            trial = try_edit(selection=form.selection(), edit=form.edit, most=form.most)
        except PlatformError as error:
            fault = str(error)
    tried = form.mark if trial is not None else ""
    context = _context(request, admin, form) | {"trial": trial, "fault": fault, "tried": tried}
    return TemplateResponse(request, "admin/jobs/deadletter/edit_group.html", context)


def _begun(request: HttpRequest, form: EditGroupForm) -> HttpResponse:
    begun = start_replay(
        selection=form.selection(), actor=request.user.get_username(), rate=form.rate_per_s, most=form.most,
        edit=form.edit,
    )  # fmt: skip
    if begun.first:
        messages.success(request, begun.sentence)
    else:
        messages.error(request, "The edit fits none of the first inputs: nothing is queued.")
    return redirect(LIST)


def _context(request: HttpRequest, admin: ReadOnlyAdmin, form: EditGroupForm) -> dict[str, Any]:
    shown = request.method == "POST"
    is_chosen = form.is_valid() or {*FILTERS, "job"} <= form.cleaned_data.keys()
    return {
        **admin.admin_site.each_context(request),
        **(grouped(form.selection(), most=10, quoting=True) if is_chosen else {}),
        "title": "Edit dead letters",
        "opts": admin.opts,
        "form": form,
        "shows_errors": shown or not is_chosen,
        "hidden": [form[name] for name in (*FILTERS, "job")],
        "questions": [form["version"], form["rate"], form["limit"]],
        "may_see": True,
        "back": reverse(LIST),
    }
