"""Models that are Python callables: built in, or named in the setting MODEL_ENTRY_POINTS."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

from models_registry.core.completed import completed
from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError
from models_registry.core.runner import Runner

_HOME = "models_registry.loaders.builtin"
BUILT_IN: Mapping[str, str] = {name: f"{_HOME}:{name}" for name in ("echo", "sleeper", "faulty", "stepper")}
Factory = Callable[[Mapping[str, Any], str], Any]


def load(entry_point: str, options: Mapping[str, Any], device: str, allowed: Collection[str]) -> Runner:
    """Return the runner that the callable `package.module:name` makes of the options and the device."""
    if entry_point not in allowed and entry_point not in BUILT_IN.values():
        raise LoaderRefusedError(f"{entry_point!r} is not among the entry points in MODEL_ENTRY_POINTS.")
    return completed(_factory(entry_point)(options, device))


def _factory(entry_point: str) -> Factory:
    module, _, name = entry_point.partition(":")
    try:
        factory: Factory = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise LoadFailedError(f"The entry point {entry_point!r} cannot be imported: {error}") from error
    return factory
