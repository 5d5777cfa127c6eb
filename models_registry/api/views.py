"""GET /models, /models/{name} and /models/{name}/versions; ModelNotFoundError for an unknown name."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from models_registry import selectors
from models_registry.api.schemas import ModelOut, VersionOut

router = Router(tags=["models"])


@router.get("/models", response=list[ModelOut], summary="All models, by name")
def list_models(request: HttpRequest) -> list[ModelOut]:
    """Return all models by name."""
    del request
    return [ModelOut.of(model) for model in selectors.models()]


@router.get("/models/{name}", response=ModelOut, summary="One model")
def get_model(request: HttpRequest, name: str) -> ModelOut:
    """Return one model."""
    del request
    return ModelOut.of(selectors.model(name))


@router.get("/models/{name}/versions", response=list[VersionOut], summary="A model's versions, newest first")
def list_versions(request: HttpRequest, name: str) -> list[VersionOut]:
    """Return a model's versions, newest first."""
    del request
    return [VersionOut.of(row) for row in selectors.versions(name)]
