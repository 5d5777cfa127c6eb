"""All writes to the registry."""

from models_registry.services.register import move_alias, register_version
from models_registry.services.register_builtin import register_builtin_models

__all__ = ["move_alias", "register_builtin_models", "register_version"]
