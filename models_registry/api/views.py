"""GET /models, /models/{name} and /models/{name}/versions; ModelNotFoundError for an unknown name."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from models_registry import selectors
from models_registry.api.model_schemas import ModelSchema, ModelVersionSchema

router = Router(tags=["models"])


@router.get("/models", operation_id="listModels", response=list[ModelSchema], summary="All models, by name")
def list_models(request: HttpRequest) -> list[ModelSchema]:
    """Return all models by name."""
    del request
    return [ModelSchema.of(model) for model in selectors.models()]


@router.get("/models/{name}", operation_id="getModel", response=ModelSchema, summary="One model")
def get_model(request: HttpRequest, name: str) -> ModelSchema:
    """Return one model."""
    del request
    return ModelSchema.of(selectors.model(name))


@router.get(
    "/models/{name}/versions",
    operation_id="listModelVersions",
    response=list[ModelVersionSchema],
    summary="A model's versions, newest first",
)
def list_versions(request: HttpRequest, name: str) -> list[ModelVersionSchema]:
    """Return a model's versions, newest first."""
    del request
    return [ModelVersionSchema.of(row) for row in selectors.versions(name)]
