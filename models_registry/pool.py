"""A worker's loaded models: a version is loaded at its first use, and evicted when others need room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition, Lock
from time import monotonic

from django.db import connection

from models_registry.core.loads.failed_loads import FailedLoads
from models_registry.core.loads.load_faults import load_error, ran_out, too_large, without_words
from models_registry.core.loads.load_watcher import LoadWatcher, NobodyWatches
from models_registry.core.registry_errors import (
    LoadFailedError,
    ModelNotFoundError,
)
from models_registry.core.residency import Evict, MemoryNeeds, Never, Residency, Wait
from models_registry.core.version import VersionInfo
from models_registry.loaders import memory
from models_registry.loaders.load import Permissions
from models_registry.loaders.ready import Loaded, file_bytes, ready
from models_registry.models import ModelVersion
from models_registry.shared.platform_errors import PlatformError
from models_registry.sources.local_copies import LocalCopies, NoCopies

__all__ = ["Loaded", "ModelPool"]
MIB = 2**20


class ModelPool:
    """The versions loaded on one device (`cpu`, `cuda:0`); every method is thread-safe.

    Together they stay within `memory_budget_bytes`, None for no limit. To make room for a version, the pool
    evicts the least recently used ones, or waits up to `ROOM_S` for running batches to end; no further batch
    gets these versions meanwhile. A version that cannot be loaded rests before it is tried again: reading a
    large artifact at every batch would starve healthy versions. `watcher` learns of each load.
    """

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
        self.device, self._watcher = device, watcher or NobodyWatches()
        self.copies: LocalCopies | NoCopies = NoCopies()  # without them, no artifact of the store is loaded
        self._permissions = Permissions(allow_torch_programs, tuple(entry_points), model_dir)
        self._residency = Residency(memory_budget_bytes)
        self._loaded: dict[int, Loaded] = {}
        self._leaving = set[int]()
        self._needs: dict[int, MemoryNeeds] = {}
        self._asked_to_leave: frozenset[int] = frozenset()
        self._failed = FailedLoads()
        self._locks: dict[int, Lock] = {}
        self._changed = Condition()

    def allow_folders(self, names: Iterable[str]) -> None:
        """Allow folders of code: of these models, or with these SHA-256."""
        self._permissions = replace(self._permissions, folders=tuple(names))

    def run_at_once(self, lanes: int) -> None:
        """Count the memory of this many running batches, of one before."""
        self._residency.lanes = lanes

    def acquire(self, version_id: int) -> Loaded:
        """Load the version if it is not loaded, and protect it until `release`; PlatformError."""
        loaded = self._hold(version_id)
        if loaded is not None:
            return loaded
        with self._lock_of(version_id):
            return self._hold(version_id) or self._load(version_id)

    def hold(self, version_id: int, *, promised: bool = False) -> Loaded | None:
        """Protect the version until `release`; None where it is not loaded, or is to leave for another.

        A `promised` one was loaded for this use, and leaves after it.
        """
        with self._changed:
            leaves = version_id in self._asked_to_leave and not promised
            return None if leaves else self._hold(version_id)

    def release(self, version_id: int) -> None:
        """Undo one `acquire` or `hold`: without users, the version may be evicted."""
        with self._changed:
            self._residency.release(version_id)
            dropped = version_id in self._leaving - self._residency.in_use
            if dropped:
                self._drop(version_id)
            self._changed.notify_all()
        if dropped:
            self._collect([version_id])

    def longest_bytes(self, version_id: int) -> int | None:
        """Return the bytes from which on an input of a loaded version is as long as any; None if unknown."""
        loaded = self._loaded.get(version_id)
        return None if loaded is None else loaded.longest_bytes

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

    def begin_anew(self, version_id: int) -> None:
        """Let the version be tried although that failed a moment ago, and end the effect of `unload`."""
        with self._changed:
            self._failed.try_now(version_id, monotonic())
            self._leaving.discard(version_id)

    def rest(self, info: VersionInfo, error: PlatformError, delay_s: float) -> None:
        """Do not try the version for `delay_s`, because an earlier process could not load it."""
        with self._changed:
            self._failed.rest(info.id, info.model, error, now=monotonic(), delay_s=delay_s)

    def fail_late(self, version_id: int, error: PlatformError) -> None:
        """Note that a version's load has outlived its limit: it rests also in the next process."""
        self._watcher.failed(version_id, error, late=True)

    def report_again(self) -> None:
        """Let the watcher note again what it could not: a database may have been away."""
        self._watcher.again()

    def unload(self, version_id: int) -> bool:
        """Evict the version; if it is in use, return False and evict it once it has no users.

        Until `begin_anew` is called for it, a later job loads it for its own batch only.
        """
        with self._changed:
            self._leaving.add(version_id)
            if version_id in self._residency.in_use:
                return False
            dropped = [version_id] if version_id in self._loaded else []
            for version in dropped:
                self._drop(version)
            self._changed.notify_all()
        self._collect(dropped)
        return True

    def keep(self, *, pinned: Iterable[int], shared: Iterable[int], warm: Iterable[int]) -> None:
        """Protect the `pinned` versions from eviction and no others; evict the `warm` ones last.

        Of the pinned ones those in `shared` may replace each other, where they do not fit together.
        """
        with self._changed:
            self._residency.keep(pinned=pinned, shared=shared, warm=warm)
            self._changed.notify_all()  # a load that waits for room may find it now

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
        now, failed = monotonic(), self._failed.resting(version_id, monotonic())
        return 0.0 if failed is None else failed.due_s - now

    def models_without_versions(self) -> set[str]:
        """Return the models of which a version could not be loaded, and no other is."""
        with self._changed:
            return self._failed.models() - {loaded.info.model for loaded in self._loaded.values()}

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
        failed = self._failed.resting(version_id, monotonic())
        if failed is not None:
            raise failed.error.with_traceback(None)
        info = self._read(version_id)
        self._watcher.loading(version_id)
        try:
            loaded = self._admit(self.copies.here(info))
        except Exception as failure:  # noqa: BLE001  # what is not noted would be tried again without a rest
            error = load_error(info, failure)
            self.copies.load_failed(info, error)
            shown = without_words(info, error)
            with self._changed:
                self._failed.note(version_id, info.model, shown, monotonic())
            self._watcher.failed(version_id, shown)
            raise shown from None
        self._watcher.loaded(version_id, memory_bytes=loaded.memory_bytes, load_s=loaded.load_s)
        return loaded

    def _read(self, version_id: int) -> VersionInfo:
        try:
            return VersionInfo.of(ModelVersion.objects.select_related("model").get(pk=version_id))
        except ModelVersion.DoesNotExist:
            error = ModelNotFoundError(f"There is no version {version_id}.")
            with self._changed:
                self._failed.note(version_id, "", error, monotonic())
            raise error from None
        finally:
            # On a worker's thread, no request ends and closes the connection.
            if not connection.in_atomic_block:
                connection.close()

    def _admit(self, info: VersionInfo) -> Loaded:
        """Make room and load the version; the caller is its first user."""
        likely = self._likely_needs(info)
        self._make_room(info, likely, lambda: self._expect(info.id, likely))
        try:
            loaded = self._ready(info)
            self._needs[info.id] = needs = MemoryNeeds(loaded.memory_bytes, loaded.working_bytes)
            self._make_room(info, needs, lambda: self._residency.resize(info.id, *needs))
        except BaseException:
            self._give_up(info.id)
            raise
        with self._changed:
            self._failed.forget(info.id)
            self._loaded[info.id] = loaded
        return loaded

    def _ready(self, info: VersionInfo) -> Loaded:
        """Load the version; where the device has too little memory, evict others one by one and try again."""
        while True:
            try:
                return ready(info, self.device, self._permissions, lambda: self._runs_alone(info.id))
            except LoadFailedError as error:
                with self._changed:
                    out = self._residency.next_out(info.id) if ran_out(error) else None
                    if out is not None:
                        self._drop(out)
                if out is None:
                    raise
            self._collect([out])

    def _expect(self, version_id: int, needs: MemoryNeeds) -> None:
        self._residency.add(version_id, *needs)
        self._residency.acquire(version_id)

    def _give_up(self, version_id: int) -> None:
        with self._changed:
            self._residency.remove(version_id)
            self._changed.notify_all()
        memory.collect()

    def _likely_needs(self, info: VersionInfo) -> MemoryNeeds:
        """Return the room to make before loading: what is known, or a guess that never refuses a version."""
        if self._residency.budget_bytes is None:
            return MemoryNeeds(0)
        if info.id in self._needs:
            return self._needs[info.id]
        if info.platform_options.memory_bytes is not None:
            return MemoryNeeds(info.platform_options.memory_bytes)
        guess = file_bytes(info, self._permissions)
        with self._changed:
            plan = self._residency.room_for(info.id, guess)
        return MemoryNeeds(max(plan.room_bytes, 0) if isinstance(plan, Never) else guess)

    def _make_room(self, info: VersionInfo, needs: MemoryNeeds, take: Callable[[], None]) -> None:
        """Evict others, or wait for them, until the version fits; then `take` the room under one lock."""
        with self._changed:
            try:
                plan = self._room(info, needs)
            finally:
                self._asked_to_leave = frozenset()
            if isinstance(plan, Never):
                raise too_large(info, needs, plan)
            for version in plan.versions:
                self._drop(version)
            take()
        if plan.versions:
            self._collect(plan.versions)

    def _room(self, info: VersionInfo, needs: MemoryNeeds) -> Evict | Never:
        until = monotonic() + self.ROOM_S
        while isinstance(plan := self._residency.room_for(info.id, *needs), Wait):
            # Else a version with enough jobs would never be free, because batches go on while this waits.
            self._asked_to_leave = frozenset(plan.versions)
            if not self._changed.wait(until - monotonic()):
                raise LoadFailedError(f"{info} found no room within {self.ROOM_S:.0f} s: others were in use.")
        return plan

    def _collect(self, dropped: Iterable[int]) -> None:
        memory.collect()
        for version in dropped:
            self._watcher.dropped(version)

    def _runs_alone(self, version_id: int) -> bool:
        with self._changed:
            return self._residency.in_use <= {version_id}

    def _drop(self, version_id: int) -> None:
        self._residency.remove(version_id)
        self.copies.let_go(self._loaded.pop(version_id).info)
