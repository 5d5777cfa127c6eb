"""The choice of a version's loader, after the hash of its artifact is checked."""

from __future__ import annotations

from dataclasses import dataclass

from models_registry.core.registry_errors import LoaderRefusedError
from models_registry.core.runner import Runner
from models_registry.core.version import VersionInfo
from models_registry.loaders import entry_point
from models_registry.loaders.artifact import locate
from models_registry.loaders.integrity import verify
from models_registry.loaders.loader_options import ProgramOptions, TransformerOptions


@dataclass(frozen=True, slots=True)
class Permissions:
    """The artifacts that settings allow beside safetensors and the built-in models."""

    torch_programs: bool = False
    entry_points: tuple[str, ...] = ()
    model_dir: str = ""


def load(version: VersionInfo, device: str, permissions: Permissions) -> Runner:
    """Return the version's runner on the device; PlatformError if it cannot be loaded."""
    match version.loader:
        case "entry_point":
            return entry_point.load(version.artifact, version.options, device, permissions.entry_points)
        case "transformer":
            return _transformer(version, device, permissions)
        case "torchscript" | "export":
            return _torch_program(version, device, permissions)
    raise LoaderRefusedError(f"There is no loader {version.loader!r}.")


def _transformer(version: VersionInfo, device: str, permissions: Permissions) -> Runner:
    path = locate(version.artifact, permissions.model_dir)
    verify(path, version.sha256)
    from models_registry.loaders.transformer import load as load_transformer

    return load_transformer(path, TransformerOptions.of(version.options), device)


def _torch_program(version: VersionInfo, device: str, permissions: Permissions) -> Runner:
    if not permissions.torch_programs:
        raise LoaderRefusedError(
            f"{version} is a {version.loader} program, and loading one can run any code:"
            " set ALLOW_TORCH_PROGRAMS=1 to load such programs from sources that you trust."
        )
    path = locate(version.artifact, permissions.model_dir)
    verify(path, version.sha256)
    from models_registry.loaders.torch_program import load as load_program

    return load_program(path, version.loader, ProgramOptions.of(version.options), device)
