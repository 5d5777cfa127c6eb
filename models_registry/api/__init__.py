"""The registry over HTTP: the models, their versions and schemas."""

from models_registry.api.views import router

__all__ = ["router"]
