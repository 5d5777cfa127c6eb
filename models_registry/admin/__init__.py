"""The registry in Django's admin, and the read-only pages that every admin here is made of."""

from models_registry.admin import registry

__all__ = ["registry"]
