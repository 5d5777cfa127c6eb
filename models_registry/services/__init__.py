"""All writes to the registry."""

from models_registry.services.alias_moves import finish_moves, move_alias
from models_registry.services.load_rows import (
    begin_loads,
    forget_load,
    note_load_failure,
    note_loading,
    note_ready,
)
from models_registry.services.register import register_version, try_version
from models_registry.services.register_builtin import register_builtin_models
from models_registry.services.register_folder import register_folder, try_folder
from models_registry.services.register_like import register_like
from models_registry.services.registering import Asked, Terms, register
from models_registry.services.try_registered import try_registered

__all__ = [
    "Asked", "Terms", "begin_loads", "finish_moves", "forget_load", "move_alias", "note_load_failure",
    "note_loading", "note_ready", "register", "register_builtin_models", "register_folder",
    "register_like", "register_version", "try_folder", "try_registered",
    "try_version",
]  # fmt: skip
