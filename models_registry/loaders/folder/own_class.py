"""The class in a folder that is its model, what the folder says about it, and a runner of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import finalize

import msgspec

from models_registry.core.own_model.completed import completed
from models_registry.core.own_model.declared import OwnModel, declared_by
from models_registry.core.own_model.run_hints import RunHints
from models_registry.core.registry_errors import LoadFailedError, RegistrationError
from models_registry.core.runner import Runner
from models_registry.loaders.entry_point import own_options
from models_registry.loaders.folder.isolated_import import forget, import_folder
from models_registry.loaders.loader_options import refuse_unknown
from models_registry.shared.platform_errors import PlatformError

MODULE, CARD = "model", "model.toml"


@dataclass(frozen=True, slots=True)
class OwnClass:
    """The class, and the fields of its version: those of `model.toml`, then those of `@model`."""

    kind: type
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> OwnClass:
        """Import a folder's `model.py`; RegistrationError for its words, LoadFailedError for its code."""
        if not (folder / f"{MODULE}.py").is_file():
            raise LoadFailedError(f"The folder {folder.name!r} has no {MODULE}.py.")
        card = read_card(folder)
        with _named(f"{MODULE}.py cannot be imported"):
            module = _imported(folder)
        kind = _chosen(vars(module), module.__name__, card.class_name)
        declared = declared_by(kind)
        return cls(kind, {**(declared.given if declared else {}), **card.given})

    def runner(self, options: Mapping[str, Any], device: str) -> Runner:
        """Return a runner of an object of the class, whose `__init__` may take `options` and `device`."""
        with _named(f"{self.kind.__name__} cannot be made"):
            names = signature(self.kind).parameters
            given = {"options": self._options(options, takes="options" in names), "device": device}
            return completed(self.kind(**{name: given[name] for name in names if name in given}))

    def _options(self, options: Mapping[str, Any], *, takes: bool) -> Any:
        """Return the options as `__init__` asks for them: a Struct, a dict, or none."""
        hint = signature(self.kind, eval_str=True).parameters["options"].annotation if takes else None
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            refuse_unknown(hint.__struct_fields__, options)
            return own_options(hint, options)
        if not takes:
            refuse_unknown((), options)
        return options

    def schemas(self) -> dict[str, Any]:
        """Return the schemas that are given, and those that the hints of `run` make where one is not."""
        run = getattr(self.kind, "run", None)
        if run is None:
            raise LoadFailedError(f"{self.kind.__name__} has no method `run(self, inputs)`.")
        hints = RunHints.of(run)
        names = ("input_schema", "output_schema")
        if hasattr(self.kind, "collate") or hasattr(self.kind, "outputs"):
            made: dict[str, Any] = {}  # then the hints of `run` are those of a batch
        else:
            made = dict(zip(names, hints.schemas(), strict=True))
        return made | {name: self.fields[name] for name in names if name in self.fields}


def load(path: Path, options: Mapping[str, Any], device: str) -> Runner:
    """Return the runner of a folder's model."""
    try:
        return _passing(OwnClass.of(path), options, device)
    except RegistrationError as error:
        raise LoadFailedError(str(error)) from None


def _passing(own: OwnClass, options: Mapping[str, Any], device: str) -> Runner:
    """Return a runner whose modules leave with it: they may hold weights, and a worker may load it often."""
    home = own.kind.__module__.partition(".")[0]
    try:
        runner = own.runner(options, device)
    except BaseException:
        forget(home)
        raise
    with suppress(TypeError):  # a class with __slots__ may not tell when its object has gone
        finalize(runner, forget, home)
    return runner


def folder_name(folder: Path) -> str:
    """Return the name of a folder's model: that of `model.toml`, or the folder's own."""
    return read_card(folder).name or folder.resolve().name.lower()


def read_card(folder: Path) -> OwnModel:
    """Return what `model.toml` says, all of it optional; RegistrationError."""
    try:
        fields = tomllib.loads((folder / CARD).read_text("utf-8"))
    except FileNotFoundError:
        return OwnModel()
    except (OSError, ValueError) as error:
        raise RegistrationError(f"{CARD} cannot be read: {error}") from None
    return OwnModel.of(fields, CARD)


def _imported(folder: Path) -> ModuleType:
    try:
        return import_folder(folder, MODULE)
    except ModuleNotFoundError as error:
        if not (folder / "requirements.txt").is_file():
            raise
        raise LoadFailedError(
            f"{MODULE}.py cannot be imported: {error}. Libraries that requirements.txt names are installed"
            " for a worker by its options --env NAME --requirements FILE."
        ) from error


def _chosen(names: Mapping[str, Any], module: str, name: str | None) -> type:
    own = [kind for kind in names.values() if isinstance(kind, type) and kind.__module__ == module]
    if name is not None:
        chosen = [kind for kind in own if kind.__name__ == name]
        if not chosen:
            raise LoadFailedError(f"{MODULE}.py has no class {name}, which {CARD} names.")
        return chosen[0]
    marked = [kind for kind in own if declared_by(kind) is not None]
    chosen = marked or [kind for kind in own if hasattr(kind, "run")]
    if len(chosen) != 1:
        what = ", ".join(kind.__name__ for kind in chosen) or "no class with `run(self, inputs)`"
        raise LoadFailedError(f"{MODULE}.py has {what}: mark the one that is the model with @model.")
    return chosen[0]


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Name the step in which code of the folder failed; its own exception is the cause."""
    try:
        yield
    except PlatformError:
        raise
    except Exception as error:
        raise LoadFailedError(f"{what}: {type(error).__name__}: {error}") from error
