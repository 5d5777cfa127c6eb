"""All writes to the registry."""

from models_registry.services.load_failures import forget_load_failures, note_load_failure
from models_registry.services.register import move_alias, register_version, try_version
from models_registry.services.register_builtin import register_builtin_models
from models_registry.services.register_folder import register_folder, try_folder
from models_registry.services.try_registered import try_registered

__all__ = [
    "forget_load_failures", "move_alias", "note_load_failure", "register_builtin_models", "register_folder",
    "register_version", "try_folder", "try_registered", "try_version",
]  # fmt: skip
