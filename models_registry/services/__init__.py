"""Every write to the registry."""

from models_registry.services.builtin import register_builtin_models
from models_registry.services.register import move_alias, register_version

__all__ = ["move_alias", "register_builtin_models", "register_version"]
