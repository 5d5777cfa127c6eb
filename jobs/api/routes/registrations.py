"""The call that registers a version of a model; it shares its address with one of the registry's."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.request_docs import REGISTRATION_DOC
from jobs.api.http.body import read_body
from jobs.api.responses import json_answer
from jobs.core.access.scopes import Scope
from jobs.core.submission.registration_request import parse_registration
from jobs.services.submission.take_registration import take_registration
from models_registry import selectors
from models_registry.api import router
from models_registry.api.model_schemas import ModelVersionSchema


@router.post(
    "/models/{name}/versions",
    operation_id="registerModelVersion",
    response={201: ModelVersionSchema, 200: ModelVersionSchema},
    summary="Register a version of a model",
    **needs(Scope.REGISTER, **REGISTRATION_DOC),
)
def register_version(request: ApiRequest, name: str) -> HttpResponse:
    """Register a version: its artifact is checked, loaded once and stored, then workers may serve it.

    It may take minutes, one version of your client at a time. Send it again if its answer was lost: the same
    contents return the stored version. No alias moves: jobs name it as `name:version`.
    """
    asked = parse_registration(read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes))
    registered = take_registration(owner=request.auth, name=name, request=asked)
    row = next(row for row in selectors.versions(name) if row.pk == registered.info.id)
    shown = ModelVersionSchema.of(row).model_dump(mode="json")
    return json_answer(shown, 201 if registered.is_new else 200)
