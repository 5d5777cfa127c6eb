"""A version made ready: loaded, warmed with its own example, and weighed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import LoadFailedError
from models_registry.core.runner import Item, Runner, Weighed, answer
from models_registry.core.version import VersionInfo
from models_registry.loaders import memory
from models_registry.loaders.artifact import locate, weight_file_bytes
from models_registry.loaders.checked import checked
from models_registry.loaders.load import Permissions, load
from models_registry.shared.platform_errors import PlatformError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version ready to run; how long loading and warming it took, and what it occupies."""

    runner: Runner
    info: VersionInfo
    load_s: float = 0.0
    memory_bytes: int = 0


def ready(info: VersionInfo, device: str, permissions: Permissions, alone: Callable[[], bool]) -> Loaded:
    """Return the version, loaded, warmed and weighed, or a PlatformError that says why it cannot be.

    `alone` says whether no other model runs: only then is what the device allocates this one's.
    """
    started, was_alone, before = monotonic(), alone(), memory.allocated_bytes() or 0
    try:
        runner = load(info, device, permissions)
        _warm(judged := checked(runner, info), info)
    except PlatformError:
        raise
    except Exception as error:
        raise LoadFailedError(f"{info} cannot be loaded: {type(error).__name__}: {error}") from error
    size = _weigh(runner, info, before if was_alone and alone() else None)
    return Loaded(judged, info, monotonic() - started, size)


def file_bytes(info: VersionInfo, permissions: Permissions) -> int:
    """Return the bytes of a version's files, for a guess at what it will occupy."""
    if info.loader == "entry_point":
        return 0
    return weight_file_bytes(locate(info.artifact, permissions.model_dir))


def _weigh(runner: Runner, info: VersionInfo, before: int | None) -> int:
    declared = PlatformOptions.of(info.options).memory_bytes
    if declared is not None:
        return declared
    weights = runner.memory_bytes() if isinstance(runner, Weighed) else 0
    now = memory.allocated_bytes()
    return weights if before is None or now is None else max(weights, now - before)


def _warm(runner: Runner, info: VersionInfo) -> None:
    if info.example is None:
        return
    try:
        (output,) = answer(runner, [Item(info.example)])
        if isinstance(output, Exception):
            raise output  # noqa: TRY301  # an example is judged as its whole batch
    except Exception as error:
        # Whatever it is, it is the version's fault, not that of the job that asked for the version.
        raise LoadFailedError(f"{info} fails on its own example: {type(error).__name__}: {error}") from error
