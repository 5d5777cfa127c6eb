"""The registry's pages in Django's admin."""

from models_registry.admin import registry

__all__ = ["registry"]
