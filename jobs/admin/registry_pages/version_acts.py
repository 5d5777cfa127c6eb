"""Stages, retires, blocks or unblocks a version, with a reason, after a page that asks; by POST alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from jobs.admin.rights import may_block, require
from jobs.core.errors import PlatformError
from jobs.services.access.request_origin import origin
from models_registry.core.registry_errors import VersionStateError
from models_registry.core.version_states import VERSION_TRANSITIONS, VersionVerb
from models_registry.models import ModelVersion
from models_registry.services.change_version_state import change_state
from models_registry.shared.admin_readonly import ReadOnlyAdmin

PAGE, ACT = "admin:models_registry_modelversion_change", "models_registry_modelversion_act"
TEMPLATE = "admin/jobs/registry/version_act.html"
ABOUT = {
    VersionVerb.STAGE: "Rules, roll-outs and aliases may choose it from now on.",
    VersionVerb.RETIRE: "No rule, roll-out or alias may choose it any more. Jobs that name it still run.",
    VersionVerb.BLOCK: "No rule, roll-out or alias may choose it, until a person unblocks it.",
    VersionVerb.UNBLOCK: "Rules, roll-outs and aliases may choose it again.",
}


class StateForm(forms.Form):
    """Why the state of a version changes, and which one the person saw."""

    seen = forms.CharField(max_length=16, required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 3}), help_text="Kept in the audit."
    )


def offered_verbs(request: HttpRequest, version: ModelVersion) -> list[VersionVerb]:
    """Return what this user may do to a version as it is."""
    if not may_block(request):
        return []
    return [verb for verb, (sources, _) in VERSION_TRANSITIONS.items() if version.state in sources]


def version_act(request: HttpRequest, key: int, name: str, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Show what a verb means for a version and ask for the reason; do it where the POST says so."""
    version = ModelVersion.objects.select_related("model").filter(pk=key).first()
    if version is None or name not in set(VersionVerb):
        raise Http404
    require(admin, request, can=may_block(request))
    verb = VersionVerb(name)
    form = StateForm(request.POST) if request.method == "POST" else StateForm(initial={"seen": version.state})
    if form.is_bound and form.is_valid():
        _change(request, version, verb, form.cleaned_data)
        return redirect(PAGE, key)
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "title": f"{verb.capitalize()} {version}",
        "opts": admin.opts,
        "version": version,
        "verb": verb,
        "about": ABOUT[verb],
        "form": form,
    }
    return TemplateResponse(request, TEMPLATE, context)


def _change(request: HttpRequest, version: ModelVersion, verb: VersionVerb, answers: dict[str, Any]) -> None:
    by = {"actor": request.user.get_username(), "address": origin().address, "reason": answers["reason"]}
    try:
        if answers["seen"] != version.state:
            raise VersionStateError(
                f"{version} has changed since you opened the page: it is {version.state}."
            )
        change_state(name=version.model.name, version=version.version, verb=verb, **by)
    except PlatformError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{version}: {verb}, done.")
