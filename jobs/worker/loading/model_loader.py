"""The thread that loads versions, one at a time: no stage waits for it, and no batch's limit counts it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread, Timer

from django.db import Error as DjangoDatabaseError

from models_registry.core.registry_errors import LoadFailedError
from models_registry.pool import ModelPool

logger = logging.getLogger(__name__)
FRESH_S = 5.0  # so long a loaded version is kept for those who asked for it
DATABASE_S = 0.5
LOOK_S = 0.25


@dataclass(slots=True)
class LoadRequest:
    """A version to load; `began` is the monotonic time since when it is being loaded, within `limit_s`."""

    version: int
    done: Future[None] = field(default_factory=Future)
    anew: bool = False
    began: float | None = None
    limit_s: float = 0.0


class ModelLoader:
    """Loads versions in the order of requests, each once for all who ask meanwhile.

    A thread cannot be stopped. So a load that outlives its limit counts as failed, and `late` is called once:
    it must end the process, and no further version is loaded in it.
    """

    def __init__(
        self,
        pool: ModelPool,
        *,
        limit_s: Callable[[int], float],
    ) -> None:
        """Prepare; `limit_s` returns how long the load of a version may take."""
        self.pool, self._limit_s = pool, limit_s
        self.late: Callable[[], None] = lambda: None
        self.stuck = False  # a load is late: nothing is loaded any more
        self._requests: dict[int, LoadRequest] = {}
        self._queue = SimpleQueue[LoadRequest]()
        self._lock = Lock()
        self._fresh: dict[int, float] = {}
        self._loads: dict[int, tuple[float, float]] = {}  # when each began and ended, until a batch uses it
        self._current: LoadRequest | None = None

    def start(self) -> None:
        """Start the thread."""
        Thread(target=self._run, name="loader", daemon=True).start()

    def request(self, version: int, *, anew: bool = False) -> Future[None]:
        """Ask for a version; the future ends once it is loaded, or raises why it is not.

        `anew` means that it is tried also where it failed a moment ago, or was unloaded on order.
        """
        with self._lock:
            request = self._requests.get(version)
            if request is None:
                request = self._requests[version] = LoadRequest(version, anew=anew)
                self._queue.put(request)
            request.anew = request.anew or anew
            return request.done

    def load(self, version: int, *, anew: bool = False) -> None:
        """Ask for a version and wait until it is loaded; PlatformError where it is not."""
        self.request(version, anew=anew).result()

    def load_watching(self, version: int) -> None:
        """Do the same where nothing calls `look` yet."""
        future = self.request(version)
        while not future.done():
            wait([future], LOOK_S)
            self.look(time.monotonic())
        future.result()

    def promised(self, version: int) -> bool:
        """Return whether a version was just loaded for those who asked, and no batch has used it yet."""
        return version in self._fresh

    def taken(self, version: int) -> tuple[float, float] | None:
        """Note that a batch uses a version: from now on it may leave memory once others need the room.

        Return when its load began and ended, to the first batch after it.
        """
        if version not in self._fresh:
            return None
        with self._lock:
            kept = self._fresh.pop(version, None)
        if kept is not None:
            self.pool.release(version)
        return self._loads.pop(version, None)

    def look(self, now: float) -> None:
        """End a load that is over its limit as failed; called a few times a second."""
        request = self._current
        if request is None or request.began is None or now - request.began < request.limit_s:
            return
        self._current, self.stuck = None, True
        error = LoadFailedError(
            f"Version {request.version} was not loaded within {request.limit_s:g} s. Its thread cannot be"
            " stopped, so the worker ends and is started again. If it needs longer, set its option"
            " load_limit_s, or LOAD_LIMIT_S for all versions."
        )
        self.pool.fail_late(request.version, error)
        self._end(request, error)
        logger.critical("%s", error)
        self.late()

    def _run(self) -> None:
        while True:
            self._load(self._queue.get())

    def _load(self, request: LoadRequest) -> None:
        error: BaseException | None = None
        try:
            request.limit_s = self._limit_s(request.version)
            request.began = time.monotonic()
            self._current = request
            if request.anew:
                self.pool.begin_anew(request.version)
            self.pool.acquire(request.version)
            self._loads[request.version] = request.began, time.monotonic()
            self._keep(request.version)
        except DjangoDatabaseError as failure:
            logger.warning("the registry cannot be read: %s", type(failure).__name__)
            time.sleep(DATABASE_S)
            error = failure
        except BaseException as failure:  # noqa: BLE001  # it is raised where the version was asked for
            error = failure
        self._current = None
        self._end(request, error)

    def _end(self, request: LoadRequest, error: BaseException | None) -> None:
        with self._lock:
            if self._requests.get(request.version) is request:
                del self._requests[request.version]
        if request.done.done():
            return
        if error is None:
            request.done.set_result(None)
        else:
            request.done.set_exception(error)

    def _keep(self, version: int) -> None:
        """Keep a version for those who asked; a timer ends it, as this thread may wait for that very room."""
        with self._lock:
            before = self._fresh.get(version)
            self._fresh[version] = until = time.monotonic() + FRESH_S
        if before is not None:  # it is protected once, however often it is asked for
            self.pool.release(version)
        timer = Timer(FRESH_S, self._let_go, (version, until))
        timer.daemon = True
        timer.start()

    def _let_go(self, version: int, until: float) -> None:
        with self._lock:
            is_over = self._fresh.get(version) == until
            if is_over:
                del self._fresh[version]
        if is_over:
            self.pool.release(version)
