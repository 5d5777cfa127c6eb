"""Files of encrypted versions: sealed on their way into the storage, and opened on their way to a model."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from typing import IO, cast

import msgspec

from jobs.core.payloads.keyring import PLAIN
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.payloads.sealed_file import Flow
from jobs.payloads import vault
from jobs.payloads.object_store import Measured, get, put_stream, reading


def put_sealed(source: IO[bytes], *, content_type: str) -> tuple[StoredPayload, StoredPayload]:
    """Store what `source` gives under the first key; return the file as it was given, and as it is stored.

    EncryptionUnavailableError, before anything is stored.
    """
    encoding, given = vault.keyring().encoding, Measured(source)
    flow = cast(IO[bytes], Flow(vault.sealed_file(given.read)))
    kept = msgspec.structs.replace(put_stream(flow, content_type=content_type), encoding=encoding)
    return StoredPayload("", given.size, given.digest, content_type), kept


def seal_again(file: StoredPayload) -> tuple[StoredPayload, StoredPayload]:
    """Store a stored file, sealed or not, as `put_sealed` does; PayloadUnreadableError."""
    with reading(file) as source:
        clear = source if file.encoding == PLAIN else Flow(vault.unsealed_file(source.read, file.encoding))
        return put_sealed(cast(IO[bytes], clear), content_type=file.content_type)


def under_first_key(file: StoredPayload) -> StoredPayload:
    """Return the stored file that holds the same under the first key: itself, where it does."""
    return file if file.encoding == vault.keyring().encoding else seal_again(file)[1]


def get_file(file: StoredPayload) -> tuple[StoredPayload, bytes]:
    """Return a file as it was given, and its bytes; PayloadUnreadableError."""
    body = get(file)
    if file.encoding == PLAIN:
        return file, body
    plain = b"".join(vault.unsealed_file(BytesIO(body).read, file.encoding))
    return StoredPayload("", len(plain), sha256(plain).hexdigest(), file.content_type), plain
