"""The calls by which people act on roll-outs; who else acts on them is the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.rollout_docs import ACT_DOC, APPROVE_DOC, BUDGET_DOC, PROMOTE_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.api.routes.rollouts.rollout_schemas import RolloutSchema
from jobs.core.access.scopes import Scope
from jobs.core.rollouts.rollout_requests import (
    Body,
    RolloutApprove,
    RolloutBudget,
    RolloutPromotion,
    RolloutReason,
    parse_body,
)
from jobs.services.access.request_origin import origin
from jobs.services.rollouts import acts
from jobs.services.rollouts.followed import reached
from jobs.services.rollouts.reads import rollout_view

_ACT = needs(Scope.ROLL_OUT, **ACT_DOC)
_SHOWN = {200: RolloutSchema}


@rollouts_router.post(
    "/rollouts/{int:rollout_id}/pause",
    operation_id="pauseRollout",
    response=_SHOWN,
    summary="Take a candidate's share away until a person resumes",
    **_ACT,
)
def pause(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Hold a roll-out as `paused`: its candidate gets no more jobs, and queued ones are taken back."""
    return _act(request, rollout_id, acts.pause)


@rollouts_router.post(
    "/rollouts/{int:rollout_id}/resume",
    operation_id="resumeRollout",
    response=_SHOWN,
    summary="Let a held roll-out go on",
    **_ACT,
)
def resume(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Let a held roll-out go on at its step, whatever it was held for."""
    return _act(request, rollout_id, acts.resume)


@rollouts_router.post(
    "/rollouts/{int:rollout_id}/promote",
    operation_id="promoteRollout",
    response=_SHOWN,
    summary="Bring a roll-out to its next step",
    **needs(Scope.ROLL_OUT, **PROMOTE_DOC),
)
def promote(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Bring a roll-out to its next step now; `anyway` gives the reason where evidence is missing."""
    asked = _asked(request, rollout_id, RolloutPromotion)
    acts.promote(rollout_id, anyway=asked.anyway, **_by(request, asked.reason))
    return _shown(rollout_id)


@rollouts_router.post(
    "/rollouts/{int:rollout_id}/roll_back",
    operation_id="rollBack",
    response=_SHOWN,
    summary="Send all traffic back to the stable version",
    **_ACT,
)
def roll_back(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Roll back now: the candidate is blocked, and its queued jobs are taken back. It needs no approval."""
    return _act(request, rollout_id, acts.roll_back)


@rollouts_router.post(
    "/rollouts/{int:rollout_id}/cancel",
    operation_id="cancelRollout",
    response=_SHOWN,
    summary="End a roll-out without blame for its candidate",
    **_ACT,
)
def cancel(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """End a live roll-out: the stable version answers again, and the candidate stays staged."""
    return _act(request, rollout_id, acts.cancel)


@rollouts_router.post(
    "/rollouts/{int:rollout_id}/approve",
    operation_id="approveRollout",
    response=_SHOWN,
    summary="Approve a roll-out's plan",
    **needs(Scope.APPROVE, **APPROVE_DOC),
)
def approve(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Approve the plan as it is now, or only as it was read, with `sha256`: who started it cannot.

    It is void once the plan changes. The scope `admin` does not include `approve`.
    """
    asked = _asked(request, rollout_id, RolloutApprove)
    acts.approve(rollout_id, sha256=asked.sha256, **_by(request, asked.reason))
    return _shown(rollout_id)


@rollouts_router.post(
    "/rollouts/{int:rollout_id}/budget",
    operation_id="grantRolloutBudget",
    response=_SHOWN,
    summary="Let a candidate meet more jobs, or fewer",
    **needs(Scope.ROLL_OUT, **BUDGET_DOC),
)
def budget(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Set how many jobs the candidate may meet in all until it is proven; earlier approvals are void."""
    asked = _asked(request, rollout_id, RolloutBudget)
    acts.grant_budget(rollout_id, budget=asked.budget, **_by(request, asked.reason))
    return _shown(rollout_id)


def _act(request: ApiRequest, rollout_id: int, act: Callable[..., object]) -> HttpResponse:
    asked = _asked(request, rollout_id, RolloutReason)
    act(rollout_id, **_by(request, asked.reason))
    return _shown(rollout_id)


def _asked(request: ApiRequest, rollout_id: int, kind: type[Body]) -> Body:
    """Return the body of a call on a roll-out that its token may see; RolloutNotFoundError."""
    asked = parse_body(read_body(request, limit_bytes=SMALL_BYTES), kind)
    reached(request.auth, rollout_id)
    return asked


def _by(request: ApiRequest, reason: str) -> dict[str, Any]:
    return {"actor": request.auth.actor, "reason": reason, "address": origin().address}


def _shown(rollout_id: int) -> HttpResponse:
    return json_answer(RolloutSchema.of(rollout_view(rollout_id)))
