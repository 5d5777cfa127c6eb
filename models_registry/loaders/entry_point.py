"""Models that are Python callables: built in, or named in the setting MODEL_ENTRY_POINTS.

A factory declares its options by the annotation of its first parameter, a msgspec Struct, and gets one:

    class Options(msgspec.Struct):
        classes: int = 2

    def load(options: Options, device):
        return Scorer(options.classes, device)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

import msgspec

from models_registry.core.own_model.completed import completed
from models_registry.core.registry_errors import LoaderRefusedError, LoadFailedError
from models_registry.core.runner import Runner
from models_registry.core.struct_fields import first_fault

_HOME = "models_registry.loaders.builtin"
BUILT_IN: Mapping[str, str] = {
    **{name: f"{_HOME}:{name}" for name in ("echo", "sleeper", "faulty", "stepper")},
    "flaky": "models_registry.loaders.flaky:flaky",
}
Factory = Callable[[Any, str], Any]


def load(entry_point: str, options: Mapping[str, Any], device: str, allowed: Collection[str]) -> Runner:
    """Return the runner that the callable `package.module:name` makes of the options and the device."""
    factory = find(entry_point, allowed)
    declared = declared_options(factory)
    given = options if declared is None else own_options(declared, options)
    _check_call(entry_point, factory)
    model = factory(given, device)
    try:
        return completed(model)
    except LoadFailedError as error:
        raise LoadFailedError(f"The entry point {entry_point!r} returns no model: {error}") from None


def find(entry_point: str, allowed: Collection[str]) -> Factory:
    """Import the callable; LoaderRefusedError where the settings do not name it, LoadFailedError."""
    if entry_point not in allowed and entry_point not in BUILT_IN.values():
        raise LoaderRefusedError(f"{entry_point!r} is not among the entry points in MODEL_ENTRY_POINTS.")
    module, _, name = entry_point.partition(":")
    try:
        factory: Factory = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise LoadFailedError(f"The entry point {entry_point!r} cannot be imported: {error}") from error
    if not callable(factory):
        raise LoadFailedError(f"The entry point {entry_point!r} is no callable: {type(factory).__name__}.")
    return factory


def declared_options(factory: Factory) -> type[msgspec.Struct] | None:
    """Return the Struct that the factory's first parameter is annotated with; None for any other."""
    try:
        parameters = inspect.signature(factory, eval_str=True).parameters
    except (NameError, TypeError, ValueError):  # names for type checkers alone, or a callable written in C
        return None
    first = next(iter(parameters.values()), None)
    kind = None if first is None else first.annotation
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def own_options(declared: type[msgspec.Struct], options: Mapping[str, Any]) -> msgspec.Struct:
    """Read the declared options out of a version's; LoaderRefusedError names the first that is wrong."""
    own = {name: options[name] for name in declared.__struct_fields__ if name in options}
    try:
        return msgspec.convert(own, declared)
    except msgspec.ValidationError as error:
        # A field may be one that the platform's words do not cover: then the library's have to do.
        raise LoaderRefusedError(first_fault(declared, own) or f"The options are wrong: {error}.") from None


def _check_call(entry_point: str, factory: Factory) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # a callable written in C may have none
        return
    try:
        signature.bind({}, "cpu")
    except TypeError:
        raise LoadFailedError(
            f"The entry point {entry_point!r} takes {signature}; a model's factory takes (options, device)."
        ) from None
