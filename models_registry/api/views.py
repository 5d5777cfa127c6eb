"""GET /models, /models/{name} and /models/{name}/versions; ModelNotFoundError for an unknown name."""

from __future__ import annotations

from collections.abc import Collection

from django.http import HttpRequest
from ninja import Router

from models_registry import selectors
from models_registry.api.model_schemas import ModelSchema, ModelVersionSchema
from models_registry.core.registry_errors import ModelNotFoundError

router = Router(tags=["models"])


@router.get("/models", operation_id="listModels", response=list[ModelSchema], summary="All models, by name")
def list_models(request: HttpRequest) -> list[ModelSchema]:
    """Return, by name, all models that the client may use."""
    allowed = _allowed(request)
    return [ModelSchema.of(model) for model in selectors.models() if not allowed or model.name in allowed]


@router.get("/models/{name}", operation_id="getModel", response=ModelSchema, summary="One model")
def get_model(request: HttpRequest, name: str) -> ModelSchema:
    """Return one model."""
    _check(request, name)
    return ModelSchema.of(selectors.model(name))


@router.get(
    "/models/{name}/versions",
    operation_id="listModelVersions",
    response=list[ModelVersionSchema],
    summary="A model's versions, newest first",
)
def list_versions(request: HttpRequest, name: str) -> list[ModelVersionSchema]:
    """Return a model's versions, newest first."""
    _check(request, name)
    return [ModelVersionSchema.of(row) for row in selectors.versions(name)]


def _allowed(request: HttpRequest) -> Collection[str]:
    """Return the models that the request's client may use; none where it may use all."""
    models: Collection[str] = request.auth.models  # type: ignore[attr-defined]  # the API's owner of a token
    return models


def _check(request: HttpRequest, name: str) -> None:
    """Refuse a model that the client may not use as if there was none: ModelNotFoundError."""
    allowed = _allowed(request)
    if allowed and name not in allowed:
        raise ModelNotFoundError(f"There is no model {name!r}.")
