"""Preparing a version: load it, run its own example, and measure its memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import current_thread, main_thread
from time import monotonic

from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import LoadFailedError
from models_registry.core.runner import Clipped, Item, Runner, Warmed, Weighed, answer
from models_registry.core.version import VersionInfo
from models_registry.loaders import memory
from models_registry.loaders.artifact import locate, weight_file_bytes
from models_registry.loaders.checked import checked
from models_registry.loaders.devices.profile_run import working_bytes
from models_registry.loaders.load import Permissions, load
from models_registry.shared.platform_errors import PlatformError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version that is ready to run, the seconds that preparing it took, and the bytes that it occupies.

    `working_bytes` is what a full batch needs besides while it runs, 0 where that is not known.
    `longest_bytes` is the size from which on an input is as long as any, None where nothing is cut off.
    """

    runner: Runner
    info: VersionInfo
    load_s: float = 0.0
    memory_bytes: int = 0
    working_bytes: int = 0
    longest_bytes: int | None = None


def ready(info: VersionInfo, device: str, permissions: Permissions, alone: Callable[[], bool]) -> Loaded:
    """Return the version, loaded, warmed up and measured; PlatformError if that fails.

    `alone` returns whether no other model runs: only then do all new allocations belong to this one, and
    only then is a full batch run to see what it needs.
    """
    started, was_alone, before = monotonic(), alone(), memory.allocated_bytes() or 0
    try:
        runner = load(info, device, permissions)
        _warm_up(checking := checked(runner, info), info)
        if isinstance(runner, Warmed):
            runner.warm(info.on(device).max_batch)
        size = _measure(runner, info, before if was_alone and alone() else None)
        working = working_bytes(checking, info, device, clipped=runner) if alone() else 0
    except PlatformError:
        raise
    except BaseException as error:
        _pass_on_interrupt(error)
        raise LoadFailedError(f"{info} cannot be loaded: {type(error).__name__}: {error}") from error
    longest = runner.longest_bytes if isinstance(runner, Clipped) else None
    return Loaded(checking, info, monotonic() - started, size, working if alone() else 0, longest)


def file_bytes(info: VersionInfo, permissions: Permissions) -> int:
    """Return the bytes of a version's files: a guess at the memory that it will occupy."""
    if info.loader == "entry_point":
        return 0
    return weight_file_bytes(locate(info.artifact, permissions.model_dir))


def _measure(runner: Runner, info: VersionInfo, before: int | None) -> int:
    declared = info.platform_options.memory_bytes
    if declared is not None:
        return declared
    weights = runner.memory_bytes() if isinstance(runner, Weighed) else 0
    now = memory.allocated_bytes()
    return weights if before is None or now is None else max(weights, now - before)


def _warm_up(runner: Runner, info: VersionInfo) -> None:
    if info.example is None:
        return
    try:
        (output,) = answer(runner, [Item(info.example)])
        if isinstance(output, BaseException):
            raise output  # noqa: TRY301  # one handler for the example and its batch
        if info.platform_options.refuse_nan:
            plain(output)
    except BaseException as error:
        _pass_on_interrupt(error)
        # Any exception is the version's fault here, not that of the job that needs the version.
        raise LoadFailedError(f"{info} fails on its own example: {type(error).__name__}: {error}") from error


def _pass_on_interrupt(error: BaseException) -> None:
    """Raise a Ctrl-C again; on any other thread than the main one it is the model's own exception."""
    if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
        raise error
