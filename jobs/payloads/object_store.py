"""Put objects into the storage and get them back, checked.

An object has a name of its own under the day on which it was put, is never changed, and is shared by the
rows that were copied from the one it was put for. So nobody deletes it with a row: `forget_payloads` does,
once it is older than a grace and no row points at it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import IO, Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages

from jobs.core.errors import PayloadLostError, PayloadUnavailableError, PlatformError
from jobs.core.payloads.pointer import StoredPayload, check, check_digest
from jobs.core.payloads.sealed_file import exactly

CHUNK_BYTES = 65_536
logger = logging.getLogger(__name__)


def storage() -> Storage:
    """Return the storage of large inputs and outputs."""
    return storages["payloads"]


def put(body: bytes) -> StoredPayload:
    """Store `body`, and return where; PayloadUnavailableError where the storage does not take it."""
    with _told():
        name = storage().save(_new_name(), ContentFile(body))
    return StoredPayload(name, len(body), sha256(body).hexdigest())


def put_stream(source: IO[bytes], *, content_type: str) -> StoredPayload:
    """Store all that `source` gives, never whole in memory; what reading it raises passes through."""
    measured = Measured(source)
    with _told():
        name = storage().save(_new_name(), File(measured))  # type: ignore[arg-type]  # it reads like a file
    return StoredPayload(name, measured.size, measured.digest, content_type)


def get(stored: StoredPayload) -> bytes:
    """Return an object's bytes; PayloadLostError, PayloadCorruptError or PayloadUnavailableError."""
    with _told(stored.name), storage().open(stored.name) as file:
        body: bytes = file.read()
    return check(stored, body)


def head(stored: StoredPayload, most: int) -> bytes:
    """Return an object's first bytes, and check all of them; the errors of `get`."""
    kept = bytearray()
    with reading(stored) as source:
        while piece := source.read(CHUNK_BYTES):
            kept += piece[: max(most - len(kept), 0)]
    return bytes(kept)


@contextmanager
def reading(stored: StoredPayload) -> Iterator[Measured]:
    """Give an object to be read to its end, where it is checked; the errors of `get`."""
    with _told(stored.name), storage().open(stored.name) as file:
        measured = Measured(file)
        yield measured
    check_digest(stored, measured.size, measured.digest)


def delete(name: str) -> None:
    """Delete an object; it is no error where there is none."""
    with _told():
        storage().delete(name)


def names_before(until: datetime) -> Iterator[str]:
    """Yield the names of objects that were put before that, or begun and never finished."""
    for day in sorted(storage().listdir("")[0]):
        if day > f"{until + timedelta(days=1):%Y-%m-%d}":
            return
        for file in storage().listdir(day)[1]:
            name = f"{day}/{file}"
            if _put_at(name) < until:
                yield name


class Measured:
    """A source that counts and hashes what is read of it, once and from its beginning to its end."""

    closed = False

    def __init__(self, source: Any) -> None:
        """Begin with nothing read."""
        self._source, self._hash, self.size = source, sha256(), 0

    def seekable(self) -> bool:
        """Say no: a storage that went back would have it counted twice."""
        return False

    @property
    def digest(self) -> str:
        """Return the SHA-256, in hex, of what was read."""
        return self._hash.hexdigest()

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Return `size` bytes, fewer only at the end: to a bucket fewer are the end."""
        piece = exactly(self._source.read, size)
        self._hash.update(piece)
        self.size += len(piece)
        return piece


def _new_name() -> str:
    now = datetime.now(UTC)
    return f"{now:%Y-%m-%d}/{now:%H%M%S}-{secrets.token_hex(16)}"


def _put_at(name: str) -> datetime:
    """Return when an object was put, by its name; one with a strange name is as old as its folder says."""
    try:
        return datetime.strptime(name[:17], "%Y-%m-%d/%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return storage().get_modified_time(name).astimezone(UTC)


@contextmanager
def _told(name: str = "") -> Iterator[None]:
    """Say of what a storage raises, whatever it is made of, what it means."""
    try:
        yield
    except PlatformError:
        raise
    except FileNotFoundError:
        raise PayloadLostError(f"The object {name} is not in the storage.") from None
    except Exception as error:
        logger.warning("the storage of payloads failed: %s: %s", type(error).__name__, error)
        raise PayloadUnavailableError from error
