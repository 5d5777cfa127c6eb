"""A worker's loaded models: a version is loaded at its first use, and evicted when others need room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Condition, Lock
from time import monotonic
from typing import Protocol

from django.db import connection

from models_registry.core.registry_errors import (
    ArtifactMismatchError,
    LoaderRefusedError,
    LoadFailedError,
    ModelNotFoundError,
    OverBudgetError,
)
from models_registry.core.residency import Never, Residency, Wait
from models_registry.core.version import VersionInfo
from models_registry.loaders import memory
from models_registry.loaders.load import Permissions
from models_registry.loaders.ready import Loaded, file_bytes, ready
from models_registry.models import ModelVersion
from models_registry.shared.platform_errors import PlatformError

__all__ = ["Loaded", "ModelPool"]
MIB = 2**20
_OWN_ERRORS = (ArtifactMismatchError, LoaderRefusedError, OverBudgetError)


class LoadWatcher(Protocol):
    """Learns which versions a pool cannot load, on the thread that tried."""

    def failed(self, version: int, error: Exception) -> None:
        """Note that a version could not be loaded."""

    def loaded(self, version: int) -> None:
        """Note that a version was loaded that could not be before."""


@dataclass(slots=True)
class _Failed:
    """Why a version could not be loaded, and when it is tried again, in monotonic seconds."""

    error: PlatformError
    model: str
    delay_s: float
    due_at: float


class ModelPool:
    """The versions loaded on one device (`cpu`, `cuda:0`); every method is thread-safe.

    Together they stay within `memory_budget_bytes`, None for no limit. To make room for a version, the pool
    evicts the least recently used ones, or waits up to `ROOM_S` for running batches to end. A version that
    cannot be loaded is not tried again for `RETRY_S`, which doubles up to `LONGEST_RETRY_S`: reading a large
    artifact at every batch would starve healthy versions. `watcher` learns of such versions.
    """

    RETRY_S = 5.0
    LONGEST_RETRY_S = 60.0
    ROOM_S = 60.0

    def __init__(
        self,
        device: str,
        *,
        allow_torch_programs: bool = False,
        entry_points: Iterable[str] = (),
        model_dir: str = "",
        memory_budget_bytes: int | None = None,
        watcher: LoadWatcher | None = None,
    ) -> None:
        self.device, self._watcher = device, watcher
        self._permissions = Permissions(allow_torch_programs, tuple(entry_points), model_dir)
        self._residency = Residency(memory_budget_bytes)
        self._loaded: dict[int, Loaded] = {}
        self._leaving = set[int]()
        self._sizes: dict[int, int] = {}
        self._failed: dict[int, _Failed] = {}
        self._locks: dict[int, Lock] = {}
        self._changed = Condition()

    def allow_folders(self, names: Iterable[str]) -> None:
        """Allow folders of code: of these models, or with these SHA-256."""
        self._permissions = replace(self._permissions, folders=tuple(names))

    def acquire(self, version_id: int) -> Loaded:
        """Load the version if it is not loaded, and protect it until `release`; PlatformError."""
        loaded = self._hold(version_id)
        if loaded is not None:
            return loaded
        with self._lock_of(version_id):
            return self._hold(version_id) or self._load(version_id)

    def release(self, version_id: int) -> None:
        """Undo one `acquire`: without users, the version may be evicted."""
        with self._changed:
            self._residency.release(version_id)
            dropped = version_id in self._leaving - self._residency.in_use
            if dropped:
                self._drop(version_id)
            self._changed.notify_all()
        if dropped:
            memory.collect()

    @contextmanager
    def lease(self, version_id: int) -> Iterator[Loaded]:
        """Load the version if it is not loaded, and protect it while the block runs."""
        loaded = self.acquire(version_id)
        try:
            yield loaded
        finally:
            self.release(version_id)

    def runner(self, version_id: int) -> Loaded:
        """Load the version if it is not loaded; it may be evicted at any time after."""
        with self.lease(version_id) as loaded:
            return loaded

    def load(self, version_id: int) -> Loaded:
        """Load the version even if that failed a moment ago, and end the effect of `unload`."""
        with self._changed:
            if version_id in self._failed:
                self._failed[version_id].due_at = monotonic()
            self._leaving.discard(version_id)
        return self.runner(version_id)

    def unload(self, version_id: int) -> bool:
        """Evict the version; if it is in use, return False and evict it once it has no users.

        Until `load` is called for it, a later job loads it for its own batch only.
        """
        with self._changed:
            self._leaving.add(version_id)
            if version_id in self._residency.in_use:
                return False
            if version_id in self._loaded:
                self._drop(version_id)
            self._changed.notify_all()
        memory.collect()
        return True

    def pin(self, version_id: int, *, pinned: bool = True) -> None:
        """Protect a loaded version from eviction, or end that protection."""
        with self._changed:
            self._residency.pin(version_id, pinned=pinned)
            self._changed.notify_all()

    def loaded(self) -> list[Loaded]:
        """Return the loaded versions, in the order of loading."""
        with self._changed:
            return list(self._loaded.values())

    def has(self, version_id: int) -> bool:
        """Return whether the version is loaded."""
        with self._changed:
            return version_id in self._loaded

    def retry_in_s(self, version_id: int) -> float:
        """Return the seconds until a version that could not be loaded is tried again; 0 for any other."""
        failed = self._failed.get(version_id)
        return 0.0 if failed is None else max(failed.due_at - monotonic(), 0.0)

    def models_without_versions(self) -> set[str]:
        """Return the models of which a version could not be loaded, and no other is."""
        with self._changed:
            failed = {failure.model for failure in self._failed.values() if failure.model}
            return failed - {loaded.info.model for loaded in self._loaded.values()}

    def _hold(self, version_id: int) -> Loaded | None:
        with self._changed:
            loaded = self._loaded.get(version_id)
            if loaded is not None:
                self._residency.acquire(version_id)
            return loaded

    def _lock_of(self, version_id: int) -> Lock:
        with self._changed:
            return self._locks.setdefault(version_id, Lock())

    def _load(self, version_id: int) -> Loaded:
        failed = self._failed.get(version_id)
        if failed is not None and monotonic() < failed.due_at:
            raise failed.error.with_traceback(None)
        info = _read(version_id)
        try:
            loaded = self._admit(info)
        except PlatformError as error:
            shown = _without_words(info, error)
            self._note(info, failed, shown)
            raise shown from None
        if failed is not None and self._watcher is not None:
            self._watcher.loaded(version_id)
        return loaded

    def _note(self, info: VersionInfo, before: _Failed | None, error: PlatformError) -> None:
        delay_s = self.RETRY_S if before is None else min(2 * before.delay_s, self.LONGEST_RETRY_S)
        with self._changed:
            self._failed[info.id] = _Failed(error, info.model, delay_s, monotonic() + delay_s)
        if self._watcher is not None:
            self._watcher.failed(info.id, error)

    def _admit(self, info: VersionInfo) -> Loaded:
        """Make room and load the version; the caller is its first user."""
        likely = self._likely_bytes(info)
        self._make_room(info, likely, lambda: self._expect(info.id, likely))
        try:
            loaded = ready(info, self.device, self._permissions, lambda: self._runs_alone(info.id))
            self._sizes[info.id] = size = loaded.memory_bytes
            self._make_room(info, size, lambda: self._residency.resize(info.id, size))
        except BaseException:
            self._give_up(info.id)
            raise
        with self._changed:
            self._failed.pop(info.id, None)
            self._loaded[info.id] = loaded
        return loaded

    def _expect(self, version_id: int, size_bytes: int) -> None:
        self._residency.add(version_id, size_bytes)
        self._residency.acquire(version_id)

    def _give_up(self, version_id: int) -> None:
        with self._changed:
            self._residency.remove(version_id)
            self._changed.notify_all()
        memory.collect()

    def _likely_bytes(self, info: VersionInfo) -> int:
        """Return the room to make before loading: the known size, or a guess that never refuses a version."""
        if self._residency.budget_bytes is None:
            return 0
        size = self._sizes.get(info.id, info.platform_options.memory_bytes)
        if size is not None:
            return size
        guess = file_bytes(info, self._permissions)
        with self._changed:
            plan = self._residency.room_for(info.id, guess)
        return max(plan.room_bytes, 0) if isinstance(plan, Never) else guess

    def _make_room(self, info: VersionInfo, size_bytes: int, take: Callable[[], None]) -> None:
        """Evict others, or wait for them, until the version fits; then `take` the room under one lock."""
        until = monotonic() + self.ROOM_S
        with self._changed:
            while isinstance(plan := self._residency.room_for(info.id, size_bytes), Wait):
                if not self._changed.wait(until - monotonic()):
                    raise LoadFailedError(
                        f"{info} found no room within {self.ROOM_S:.0f} s: others were in use."
                    )
            if isinstance(plan, Never):
                raise _too_large(info, size_bytes, plan)
            for version in plan.versions:
                self._drop(version)
            take()
        if plan.versions:
            memory.collect()

    def _runs_alone(self, version_id: int) -> bool:
        with self._changed:
            return self._residency.in_use <= {version_id}

    def _drop(self, version_id: int) -> None:
        self._residency.remove(version_id)
        del self._loaded[version_id]


def _too_large(info: VersionInfo, size_bytes: int, plan: Never) -> OverBudgetError:
    size, room = size_bytes / MIB, max(plan.room_bytes, 0) / MIB
    return OverBudgetError(f"{info} occupies {size:,.1f} MiB, and this worker has {room:,.1f} MiB for it.")


def _without_words(info: VersionInfo, error: PlatformError) -> PlatformError:
    """Return the error, of a guarded version without what its code says: it may remember inputs of jobs."""
    if not info.secrecy.guarded or type(error) in _OWN_ERRORS:
        return error
    return LoadFailedError(
        f"{info} cannot be loaded. Its message is not shown, because its data is confidential:"
        " a trial load of the same artifact shows it."
    )


def _read(version_id: int) -> VersionInfo:
    try:
        return VersionInfo.of(ModelVersion.objects.select_related("model").get(pk=version_id))
    except ModelVersion.DoesNotExist:
        raise ModelNotFoundError(f"There is no version {version_id}.") from None
    finally:
        # On a worker's thread, no request ends and closes the connection.
        if not connection.in_atomic_block:
            connection.close()
