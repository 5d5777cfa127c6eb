"""Starts a roll-out: a form, then a page that shows what it means, then the start, by POST alone."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from jobs.admin.rights import may_roll_out, require
from jobs.core.errors import PlatformError
from jobs.services.access.request_origin import origin
from jobs.services.rollouts.start import start_rollout
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.struct_fields import field_rows
from models_registry.core.version_states import VersionState
from models_registry.models import Alias, ModelVersion
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import pretty

PAGE = "admin:models_registry_rollout_change"
START = "models_registry_rollout_start"
TEMPLATE = "admin/jobs/rollouts/start.html"
VERSIONS_SHOWN = 200
PLAN_CHARS = 20_000


class StartForm(forms.Form):
    """What is to be rolled out, where, and by which plan."""

    candidate = forms.ModelChoiceField(
        ModelVersion.objects.none(), help_text="The version that is to answer; only staged ones are listed."
    )
    alias = forms.CharField(
        max_length=63, initial="default", help_text="The name whose jobs it is to get, such as default."
    )
    plan = forms.CharField(
        max_length=PLAN_CHARS, initial="{}", required=False,
        help_text="JSON; what is missing has its default.",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )  # fmt: skip
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    ticket = forms.CharField(max_length=200, required=False, help_text="Of the change, where you keep such.")
    seen = forms.CharField(max_length=63, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the newest staged versions."""
        super().__init__(*args, **kwargs)
        self.fields["candidate"].queryset = _staged()  # type: ignore[attr-defined]  # a ModelChoiceField

    def clean_plan(self) -> Plan:
        """Return the plan; an error names the first field that is wrong."""
        try:
            return Plan.of(json.loads(self.cleaned_data["plan"] or "{}"))
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"The plan is no JSON: {error}.") from None
        except PlatformError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        """Read what the alias stands for."""
        cleaned: dict[str, Any] = super().clean() or {}
        candidate, name = cleaned.get("candidate"), cleaned.get("alias")
        if candidate is not None and name:
            alias = (
                Alias.objects.select_related("version").filter(model=candidate.model_id, name=name).first()
            )
            if alias is None:
                self.add_error("alias", f"{candidate.model.name} has no alias {name}.")
            else:
                cleaned["stable"] = alias.version.version
        return cleaned


def _staged() -> Any:
    """Return the newest staged versions; any version of the list may still be refused by the service."""
    rows = ModelVersion.objects.select_related("model").filter(state=VersionState.STAGED).order_by("-id")
    keys = list(rows.values_list("pk", flat=True)[:VERSIONS_SHOWN])
    return ModelVersion.objects.select_related("model").filter(pk__in=keys).order_by("model__name", "-id")


def start_page(request: HttpRequest, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Show the form, then what it means, and start the roll-out where the POST confirms that."""
    require(admin, request, can=may_roll_out(request))
    shown = {name: request.GET[name] for name in ("candidate", "alias") if name in request.GET}
    form = StartForm(request.POST if request.method == "POST" else None, initial=shown)
    is_valid = form.is_bound and form.is_valid()
    if is_valid and request.POST.get("step") == "start":
        if form.cleaned_data["seen"] == form.cleaned_data["stable"]:
            return _started(request, admin, form)
        messages.error(request, "The alias was moved since you opened the page: look again.")
    context = _context(request, admin, form)
    asks = is_valid and request.POST.get("step") != "edit"
    return TemplateResponse(request, TEMPLATE, context | (_foreseen(form) if asks else {}))


def _started(request: HttpRequest, admin: ReadOnlyAdmin, form: StartForm) -> HttpResponse:
    answers = form.cleaned_data
    try:
        rollout = start_rollout(
            model=answers["candidate"].model.name, alias=answers["alias"],
            candidate=answers["candidate"].version, plan=answers["plan"].document,
            reason=answers["reason"], ticket=answers["ticket"],
            actor=request.user.get_username(), address=origin().address,
        )  # fmt: skip
    except PlatformError as error:
        messages.error(request, str(error))
        return TemplateResponse(request, TEMPLATE, _context(request, admin, form))
    messages.success(
        request, "The roll-out is planned: its gate comes first, before any job meets the candidate."
    )
    return redirect(PAGE, rollout.pk)


def _context(request: HttpRequest, admin: ReadOnlyAdmin, form: StartForm) -> dict[str, Any]:
    return {
        **admin.admin_site.each_context(request),
        "title": "Start a roll-out",
        "opts": admin.opts,
        "form": form,
        "fields": field_rows(Plan),
    }


def _foreseen(form: StartForm) -> dict[str, Any]:
    """Return what a person confirms; the texts of the form go along unchanged."""
    answers = form.cleaned_data
    return {
        "title": f"Roll out {answers['candidate']} at @{answers['alias']}?",
        "stable": answers["stable"],
        "answers": answers,
        "whole_plan": pretty(answers["plan"].document),
        "sent": [
            (name, form.data.get(name, "")) for name in ("candidate", "alias", "plan", "reason", "ticket")
        ],
    }
