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
    "transformer": f"{_HOME}.encoders.transformer:load",
    "torchscript": f"{_HOME}.torch_program:load_torchscript",
    "export": f"{_HOME}.torch_program:load_exported",
    FOLDER: f"{_HOME}.folder.own_class:load",
    "onnx": f"{_HOME}.formats.onnx_file:load",
    "sklearn": f"{_HOME}.formats.skops_file:load",
    "xgboost": f"{_HOME}.formats.boosted_trees:load_xgboost",
    "lightgbm": f"{_HOME}.formats.boosted_trees:load_lightgbm",
    "pipeline": f"{_HOME}.formats.hugging_face:load",
    "aotinductor": f"{_HOME}.formats.aotinductor:load",
}
RUN_CODE = frozenset({"torchscript", "export", "aotinductor"})
# Types that a version may trust by itself: scikit-learn's own. Others may do anything when they are made.
_TYPES_OF_DATA = ("sklearn.", "collections.")
_WORKER, _IN_CONTAINERS = "worker", ", or in containers use the service registrar"
# Packages that loaders import, and the extra of this distribution that brings each.
EXTRAS: Mapping[str, str] = {
    "torch": _WORKER,
    "transformers": _WORKER,
    "sentence_transformers": _WORKER,
    "onnxruntime": "onnx",
    "skops": "sklearn",
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "soundfile": "audio",
}


def load(version: VersionInfo, device: str, permissions: Permissions) -> Runner:
    """Return the version's runner on the device; PlatformError if it cannot be loaded."""
    version = version.on(device)
    if version.loader == "entry_point":
        return entry_point.load(version.artifact, version.options, device, permissions.entry_points)
    if version.loader not in OF_FILES:
        raise LoaderRefusedError(f"There is no loader {version.loader!r}.")
    if _runs_code(version) and not permissions.torch_programs:
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
    try:
        return _load_of(version.loader)(path, kind.of(version.options), device)
    except ModuleNotFoundError as error:
        _say_what_to_install(version.loader, error)
        raise


def _runs_code(version: VersionInfo) -> bool:
    """Return whether loading the version may run code that the registration chose."""
    types = version.options.get("trusted", ()) if version.loader == "sklearn" else ()
    return version.loader in RUN_CODE or not all(str(name).startswith(_TYPES_OF_DATA) for name in types)


def _load_of(loader: str) -> Load:
    module, _, name = OF_FILES[loader].partition(":")
    made: Load = getattr(import_module(module), name)
    return made


def _say_what_to_install(loader: str, error: ModuleNotFoundError) -> None:
    """Raise LoaderRefusedError where the loader's own framework is missing."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is not None:
        raise LoaderRefusedError(
            f"The loader {loader} needs {error.name}, which is not installed here:"
            f" pip install 'inference-platform[{extra}]'{_IN_CONTAINERS if extra == _WORKER else ''}."
        ) from None
