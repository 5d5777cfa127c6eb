"""The choice of a version's loader, after the hash of its artifact is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from models_registry.core.registry_errors import LoaderRefusedError
from models_registry.core.runner import Runner
from models_registry.core.version import VersionInfo
from models_registry.loaders import entry_point
from models_registry.loaders.artifact import locate
from models_registry.loaders.integrity import verify
from models_registry.loaders.loader_options import LoaderOptions, options_of

FOLDER, ANY_FOLDER = "folder", "*"


@dataclass(frozen=True, slots=True)
class Permissions:
    """The artifacts that settings allow beside safetensors and the built-in models."""

    torch_programs: bool = False
    entry_points: tuple[str, ...] = ()
    model_dir: str = ""
    folders: tuple[str, ...] = ()

    def allows_folder(self, version: VersionInfo) -> bool:
        """Return whether MODEL_FOLDERS names the version's model, the SHA-256 of its files, or all: `*`."""
        return not {ANY_FOLDER, version.model, version.sha256}.isdisjoint(self.folders)


Load = Callable[[Path, Any, str], Runner]  # of the artifact, the loader's options and the device

_HOME = "models_registry.loaders"
# `module:function` of type Load for each loader of files. A module is imported at its first use, because it
# imports a framework. The options are those that `loader_options` declares.
OF_FILES: Mapping[str, str] = {
    "transformer": f"{_HOME}.transformer:load",
    "torchscript": f"{_HOME}.torch_program:load_torchscript",
    "export": f"{_HOME}.torch_program:load_exported",
    FOLDER: f"{_HOME}.folder.own_class:load",
}
RUN_CODE = frozenset({"torchscript", "export", "aotinductor"})
# The extra of this distribution that brings what a loader imports.
EXTRAS: Mapping[str, str] = {name: name for name in ("onnx", "sklearn", "xgboost", "lightgbm")}


def load(version: VersionInfo, device: str, permissions: Permissions) -> Runner:
    """Return the version's runner on the device; PlatformError if it cannot be loaded."""
    if version.loader == "entry_point":
        return entry_point.load(version.artifact, version.options, device, permissions.entry_points)
    if version.loader not in OF_FILES:
        raise LoaderRefusedError(f"There is no loader {version.loader!r}.")
    if version.loader in RUN_CODE and not permissions.torch_programs:
        raise LoaderRefusedError(
            f"{version} is a {version.loader} program, and loading one can run any code:"
            " set ALLOW_TORCH_PROGRAMS=1 to load such programs from sources that you trust."
        )
    if version.loader == FOLDER and not permissions.allows_folder(version):
        raise LoaderRefusedError(
            f"{version} is a folder of Python code, which can do anything: to load it, name the model"
            f" {version.model}, or the SHA-256 of these files, {version.sha256}, in MODEL_FOLDERS."
        )
    path = locate(version.artifact, permissions.model_dir)
    verify(path, version.sha256, whole=version.loader == FOLDER)
    if version.loader == FOLDER:  # its class checks its own options
        return _load_of(FOLDER)(path, version.options, device)
    kind = options_of(version.loader, version.artifact) or LoaderOptions
    return _load_of(version.loader)(path, kind.of(version.options), device)


def _load_of(loader: str) -> Load:
    """Import the loader's module; LoaderRefusedError says what to install where its framework is missing."""
    module, _, name = OF_FILES[loader].partition(":")
    try:
        made: Load = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(loader)
        if extra is None:
            raise
        raise LoaderRefusedError(
            f"The loader {loader} needs {error.name}, which is not installed here:"
            f" pip install 'inference-platform[{extra}]'."
        ) from None
    return made
