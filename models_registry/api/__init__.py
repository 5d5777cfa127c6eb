"""The registry over HTTP: what models there are, and what each of them takes."""

from models_registry.api.views import router

__all__ = ["router"]
