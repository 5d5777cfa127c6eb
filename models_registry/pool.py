"""A worker's loaded models: each version is loaded and warmed once, when first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from django.db import connection

from models_registry.core.errors import LoadFailedError, ModelNotFoundError, PlatformError
from models_registry.core.runner import Item, Runner, answer
from models_registry.core.version import VersionInfo
from models_registry.loaders.load import Permissions, load
from models_registry.models import ModelVersion


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version ready to run; `load_s` is how long loading and warming it took."""

    runner: Runner
    info: VersionInfo
    load_s: float = 0.0


class ModelPool:
    """The versions loaded on one device (`cpu`, `cuda:0`); every method is thread-safe.

    A version that cannot be loaded is not tried again for `RETRY_S`: reading a large artifact at every
    batch would starve the healthy versions.
    """

    RETRY_S = 5.0

    def __init__(
        self,
        device: str,
        *,
        allow_torch_programs: bool = False,
        entry_points: Iterable[str] = (),
        model_dir: str = "",
    ) -> None:
        self.device = device
        self._permissions = Permissions(allow_torch_programs, tuple(entry_points), model_dir)
        self._loaded: dict[int, Loaded] = {}
        self._failed: dict[int, tuple[float, PlatformError]] = {}
        self._locks: dict[int, Lock] = {}
        self._guard = Lock()

    def runner(self, version_id: int) -> Loaded:
        """Return the version, loaded and warmed by this call where need be; PlatformError if it cannot be."""
        loaded = self._loaded.get(version_id)
        if loaded is not None:
            return loaded
        with self._lock_of(version_id):
            return self._loaded.get(version_id) or self._load(version_id)

    def loaded(self) -> list[Loaded]:
        """Return what is loaded now, in the order of loading."""
        with self._guard:
            return list(self._loaded.values())

    def _lock_of(self, version_id: int) -> Lock:
        with self._guard:
            return self._locks.setdefault(version_id, Lock())

    def _load(self, version_id: int) -> Loaded:
        failed_at, error = self._failed.get(version_id, (-self.RETRY_S, None))
        if error is not None and monotonic() - failed_at < self.RETRY_S:
            raise error.with_traceback(None)
        info = _read(version_id)
        try:
            loaded = self._ready(info)
        except PlatformError as refused:
            self._failed[version_id] = monotonic(), refused
            raise
        with self._guard:
            self._failed.pop(version_id, None)
            self._loaded[version_id] = loaded
        return loaded

    def _ready(self, info: VersionInfo) -> Loaded:
        started = monotonic()
        try:
            runner = load(info, self.device, self._permissions)
            _warm(runner, info)
        except PlatformError:
            raise
        except Exception as error:
            raise LoadFailedError(f"{info} cannot be loaded: {type(error).__name__}: {error}") from error
        return Loaded(runner, info, monotonic() - started)


def _warm(runner: Runner, info: VersionInfo) -> None:
    if info.example is None:
        return
    try:
        answer(runner, [Item(info.example)])
    except Exception as error:
        # Whatever it is, it is the version's fault, not that of the job that asked for the version.
        raise LoadFailedError(f"{info} fails on its own example: {type(error).__name__}: {error}") from error


def _read(version_id: int) -> VersionInfo:
    try:
        return VersionInfo.of(ModelVersion.objects.select_related("model").get(pk=version_id))
    except ModelVersion.DoesNotExist:
        raise ModelNotFoundError(f"There is no version {version_id}.") from None
    finally:
        # The caller is one of a worker's own threads: a connection left open there is never closed.
        if not connection.in_atomic_block:
            connection.close()
