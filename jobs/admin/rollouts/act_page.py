"""The page that asks before an act on a roll-out, and the act itself, by POST alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from jobs.admin.rights import require
from jobs.admin.rollouts.rollout_acts import ACTS, RolloutAct, standing_of
from jobs.admin.rollouts.rollout_columns import words
from jobs.core.errors import PlatformError
from jobs.services.access.request_origin import origin
from models_registry.core.registry_errors import RolloutStateError
from models_registry.models import Rollout
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import pretty

PAGE = "admin:models_registry_rollout_change"
TEMPLATE = "admin/jobs/rollouts/act.html"


def act_page(request: HttpRequest, key: int, name: str, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Show what an act does and ask for its reason; do it where the POST says so."""
    act = ACTS.get(name)
    rollout = (
        Rollout.objects.select_related("model", "stable__model", "candidate__model").filter(pk=key).first()
    )
    if act is None or rollout is None:
        raise Http404
    require(admin, request, can=act.may(request))
    if request.method == "POST":
        form = act.form(request.POST)
        if form.is_valid():
            _act(request, act, rollout, form)
            return redirect(PAGE, key)
    elif not act.offered(request, rollout):
        messages.warning(
            request, f"{act.label}: the roll-out is {words(rollout.state)}, or it is not for you."
        )
        return redirect(PAGE, key)
    else:
        form = act.form(initial={"seen": standing_of(rollout), "budget": 2 * rollout.budget})
    return TemplateResponse(request, TEMPLATE, _context(request, admin, act, rollout, form))


def _act(request: HttpRequest, act: RolloutAct, rollout: Rollout, form: forms.Form) -> None:
    answers = form.cleaned_data
    told = {name: value for name, value in answers.items() if name != "seen"}
    by = {"actor": request.user.get_username(), "address": origin().address, **told}
    try:
        if act.fenced:
            _unchanged(rollout.pk, answers["seen"], lambda: act.service(rollout.pk, **by))
        else:
            act.service(rollout.pk, **by)
    except PlatformError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{act.label}: done.")


def _unchanged(rollout: int, seen: str, act: Any) -> None:
    """Act in the transaction that found the roll-out as the person saw it; RolloutStateError otherwise."""
    with transaction.atomic():
        row = Rollout.objects.select_for_update().get(pk=rollout)
        if standing_of(row) != seen:
            raise RolloutStateError(
                f"The roll-out has changed since you opened the page: it is {words(row.state)} now."
            )
        act()


def _context(
    request: HttpRequest, admin: ReadOnlyAdmin, act: RolloutAct, rollout: Rollout, form: forms.Form
) -> dict[str, Any]:
    return {
        **admin.admin_site.each_context(request),
        "title": f"{act.label}: {rollout.candidate} at @{rollout.alias}",
        "opts": admin.opts,
        "act": act,
        "rollout": rollout,
        "plan": pretty(rollout.plan),
        "form": form,
    }
