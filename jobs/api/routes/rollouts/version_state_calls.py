"""The calls that change the state of a version: only a staged one can be routed to.

They need `roll_out` and not `register`: that brings a version here, these decide whether it may answer.
"""

from __future__ import annotations

from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.rollout_docs import VERSION_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.core.access.scopes import Scope
from jobs.core.rollouts.rollout_requests import VersionChange, parse_body
from jobs.services.access.request_origin import origin
from models_registry import selectors
from models_registry.api.model_schemas import ModelVersionSchema
from models_registry.core.version_states import VersionVerb
from models_registry.services.change_version_state import change_state

_NEEDS = needs(Scope.ROLL_OUT, **VERSION_DOC)
_SHOWN = {200: ModelVersionSchema}


@rollouts_router.post(
    "/models/{name}/versions/{version}/stage",
    operation_id="stageModelVersion",
    response=_SHOWN,
    summary="Let a draft be routed to",
    **_NEEDS,
)
def stage(request: ApiRequest, name: str, version: str) -> HttpResponse:
    """Stage a draft: aliases, rules and roll-outs may name it from now on."""
    return _change(request, name, version, VersionVerb.STAGE)


@rollouts_router.post(
    "/models/{name}/versions/{version}/retire",
    operation_id="retireModelVersion",
    response=_SHOWN,
    summary="Retire a staged version",
    **_NEEDS,
)
def retire(request: ApiRequest, name: str, version: str) -> HttpResponse:
    """Retire a version for good: nothing routes to it any more."""
    return _change(request, name, version, VersionVerb.RETIRE)


@rollouts_router.post(
    "/models/{name}/versions/{version}/block",
    operation_id="blockModelVersion",
    response=_SHOWN,
    summary="Block a version",
    **_NEEDS,
)
def block(request: ApiRequest, name: str, version: str) -> HttpResponse:
    """Block a version, as a roll-back does: nothing may route to it until a person unblocks it."""
    return _change(request, name, version, VersionVerb.BLOCK)


@rollouts_router.post(
    "/models/{name}/versions/{version}/unblock",
    operation_id="unblockModelVersion",
    response=_SHOWN,
    summary="Stage a blocked version again",
    **_NEEDS,
)
def unblock(request: ApiRequest, name: str, version: str) -> HttpResponse:
    """Stage a blocked version again; it needs a reason."""
    return _change(request, name, version, VersionVerb.UNBLOCK)


def _change(request: ApiRequest, name: str, version: str, verb: VersionVerb) -> HttpResponse:
    request.auth.check_model(name)
    asked = parse_body(read_body(request, limit_bytes=SMALL_BYTES), VersionChange)
    change_state(
        name=name,
        version=version,
        verb=verb,
        actor=request.auth.actor,
        reason=asked.reason,
        address=origin().address,
    )
    row = next(row for row in selectors.versions(name) if row.version == version)
    return json_answer(ModelVersionSchema.of(row).model_dump(mode="json"))
