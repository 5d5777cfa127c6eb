"""Puts objects into the storage, and checks them when it gets them back.

An object has a unique name under the day of its creation and never changes. Copies of a row point at the same
object, so an object is not deleted with a row: `forget_payloads` deletes it once it is older than a grace
period and no row points at it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import IO, Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages

from jobs.core.errors import PayloadLostError, PayloadUnavailableError, PlatformError
from jobs.core.payloads.pointer import StoredPayload, check, check_digest
from jobs.core.payloads.sealed_file import exactly

CHUNK_BYTES = 65_536
_now: Callable[[], datetime] = partial(datetime.now, UTC)
logger = logging.getLogger(__name__)


def use_clock(now: Callable[[], datetime]) -> None:
    """Name objects by this clock: those that are old by their names are deleted."""
    global _now  # noqa: PLW0603  # the storage of a process has one clock, and this package knows no database
    _now = now


def storage() -> Storage:
    """Return the storage of large inputs and outputs."""
    return storages["payloads"]


def put(body: bytes) -> StoredPayload:
    """Store `body` and return its object; PayloadUnavailableError if the storage fails."""
    with _translated_errors():
        name = storage().save(_new_name(), ContentFile(body))
    return StoredPayload(name, len(body), sha256(body).hexdigest())


def put_stream(source: IO[bytes], *, content_type: str) -> StoredPayload:
    """Store all of `source` chunk by chunk; errors of reading it pass through."""
    measured = Measured(source)
    with _translated_errors():
        name = storage().save(_new_name(), File(measured))  # type: ignore[arg-type]  # it reads like a file
    return StoredPayload(name, measured.size, measured.digest, content_type)


def get(stored: StoredPayload) -> bytes:
    """Return an object's bytes; PayloadLostError, PayloadCorruptError or PayloadUnavailableError."""
    with _translated_errors(stored.name), storage().open(stored.name) as file:
        body: bytes = file.read(stored.size + 1)  # of an object that somebody made larger no more
    return check(stored, body)


def head(stored: StoredPayload, most: int) -> bytes:
    """Return the first `most` bytes of an object, after a check of all its bytes; the errors of `get`."""
    first = bytearray()
    with reading(stored) as source:
        while piece := source.read(CHUNK_BYTES):
            first += piece[: max(most - len(first), 0)]
    return bytes(first)


@contextmanager
def reading(stored: StoredPayload) -> Iterator[Measured]:
    """Open an object, to be read to its end and then checked; the errors of `get`."""
    with _translated_errors(stored.name), storage().open(stored.name) as file:
        measured = Measured(file)
        yield measured
    check_digest(stored, measured.size, measured.digest)


def delete(name: str) -> None:
    """Delete an object, if it exists."""
    with _translated_errors():
        storage().delete(name)


def exists(name: str) -> bool:
    """Return whether there is an object of this name; PayloadUnavailableError if the storage fails."""
    with _translated_errors():
        return storage().exists(name)


def names_before(until: datetime) -> Iterator[str]:
    """Yield the names of objects that were created before `until`, unfinished ones included."""
    return (name for name, _ in dated_names(until))


def dated_names(until: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the names of objects that were created before `until`, and when; unfinished ones too."""
    for day in _listed("")[0]:
        if day > f"{until + timedelta(days=1):%Y-%m-%d}":
            return
        for file in _listed(day)[1]:
            name = f"{day}/{file}"
            if (at := _created_at(name)) < until:
                yield name, at


def _listed(path: str) -> tuple[list[str], list[str]]:
    with _translated_errors():
        folders, files = storage().listdir(path)
    return sorted(folders), files


class Measured:
    """A source that counts and hashes the bytes that are read from it, once and in order."""

    closed = False

    def __init__(self, source: Any) -> None:
        """Begin with nothing read."""
        self._source, self._hash, self.size = source, sha256(), 0

    def seekable(self) -> bool:
        """Return False, because bytes that are read twice would be counted twice."""
        return False

    @property
    def digest(self) -> str:
        """Return the SHA-256, in hex, of the bytes read so far."""
        return self._hash.hexdigest()

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Return `size` bytes, fewer only at the end, because a bucket takes fewer as the end."""
        piece = exactly(self._source.read, size)
        self._hash.update(piece)
        self.size += len(piece)
        return piece


def _new_name() -> str:
    now = _now()
    return f"{now:%Y-%m-%d}/{now:%H%M%S}-{secrets.token_hex(16)}"


def _created_at(name: str) -> datetime:
    """Return when an object was created, by its name, or by its modification time if the name is unusual."""
    try:
        return datetime.strptime(name[:17], "%Y-%m-%d/%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return storage().get_modified_time(name).astimezone(UTC)


@contextmanager
def _translated_errors(name: str = "") -> Iterator[None]:
    """Translate any storage backend's exception into one of ours."""
    try:
        yield
    except PlatformError:
        raise
    except FileNotFoundError:
        raise PayloadLostError(f"The object {name} is not in the storage.") from None
    except Exception as error:
        logger.warning("the storage of payloads failed: %s: %s", type(error).__name__, error)
        raise PayloadUnavailableError from error
