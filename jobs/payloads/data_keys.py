"""The data keys of clients: one for each client and month, wrapped in a row, and for minutes in this process.

A process that has used a key lately asks nobody for it, so sealing a job costs no statement. The keys of jobs
are not kept here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from secrets import token_bytes
from threading import Lock
from typing import Protocol

from jobs.core.errors import (
    EncryptionUnavailableError,
    PayloadErasedError,
    PayloadKeyMissingError,
    PayloadUnavailableError,
)
from jobs.core.payloads.job_keys import DataKeyName
from jobs.core.payloads.keyring import KEY_BYTES
from jobs.payloads.wrapping.wrapping_key import WrappedDataKey, WrappingKey

KEPT_S = 300.0
PAUSE_S = 5.0  # after a failed call no thread asks the service again for so long
MOST = 1_000


class DataKeyRows(Protocol):
    """The stored data keys."""

    def __hash__(self) -> int:
        """Return a hash, because a process has the data keys of these rows once."""

    def find(self, name: DataKeyName) -> WrappedDataKey | None:
        """Return the stored key, or None; PayloadUnavailableError."""

    def add(self, name: DataKeyName, row: WrappedDataKey) -> WrappedDataKey:
        """Store a key for good, whatever the caller's transaction does; return the one that is stored.

        Another process may have stored one first.
        """


class DataKeys:
    """The data keys that a process has used lately; `wrapping` begins with the key that wraps new ones."""

    def __init__(
        self,
        rows: DataKeyRows,
        wrapping: Sequence[WrappingKey],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with no key; `clock` is monotonic seconds."""
        self._rows, self._wrapping, self._clock = rows, wrapping, clock
        self._kept: dict[DataKeyName, tuple[bytes, float]] = {}
        self._silent_until = float("-inf")
        self._lock = Lock()

    def __repr__(self) -> str:
        """Show no key."""
        return f"DataKeys({len(self._kept)} kept)"

    @property
    def first(self) -> WrappingKey:
        """Return the key that wraps new data keys; EncryptionUnavailableError without one."""
        if not self._wrapping:
            raise EncryptionUnavailableError
        return self._wrapping[0]

    def for_sealing(self, name: DataKeyName) -> bytes:
        """Return a data key, which is made where there is none; EncryptionUnavailableError."""
        _ = self.first.name
        return self._recent(name) or self._keep(name, self._rows.find(name) or self._made(name))

    def for_reading(self, name: DataKeyName) -> bytes:
        """Return a data key; PayloadErasedError where there is none, or an error of its wrapping key."""
        if recent := self._recent(name):
            return recent
        if (row := self._rows.find(name)) is None:
            raise PayloadErasedError
        return self._keep(name, row)

    def wrapped_again(self, name: DataKeyName, row: WrappedDataKey) -> WrappedDataKey:
        """Return a stored data key under the first wrapping key."""
        key = self._unwrapped(name, row)
        return WrappedDataKey(self._asked(lambda: self.first.wrap(key, name)), self.first.name)

    def _made(self, name: DataKeyName) -> WrappedDataKey:
        wrapped = self._asked(lambda: self.first.wrap(token_bytes(KEY_BYTES), name))
        return self._rows.add(name, WrappedDataKey(wrapped, self.first.name))

    def _unwrapped(self, name: DataKeyName, row: WrappedDataKey) -> bytes:
        for key in self._wrapping:
            if row.wrapped_by.startswith(key.kind):
                return self._asked(partial(key.unwrap, row, name))
        raise PayloadKeyMissingError(f"The data key is wrapped by {row.wrapped_by!r}: that key is not here.")

    def _asked(self, call: Callable[[], bytes]) -> bytes:
        """Return the answer of a wrapping key; while its service is silent, refuse without waiting for it."""
        if self._clock() < self._silent_until:
            raise PayloadUnavailableError("The service that wraps keys does not respond.")
        try:
            return call()
        except PayloadUnavailableError:
            self._silent_until = self._clock() + PAUSE_S
            raise

    def _recent(self, name: DataKeyName) -> bytes | None:
        key, until = self._kept.get(name, (None, 0.0))
        return key if self._clock() < until else None

    def _keep(self, name: DataKeyName, row: WrappedDataKey) -> bytes:
        key = self._unwrapped(name, row)
        with self._lock:
            self._kept.pop(name, None)
            while len(self._kept) >= MOST:  # the oldest goes
                del self._kept[next(iter(self._kept))]
            self._kept[name] = (key, self._clock() + KEPT_S)
        return key
