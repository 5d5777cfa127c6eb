"""Files of encrypted versions: sealed before they are stored, decrypted for the model."""

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
    """Store `source` sealed under the first key; return the file in its plain and in its stored form.

    EncryptionUnavailableError before anything is stored.
    """
    encoding, plain = vault.keyring().encoding, Measured(source)
    flow = cast(IO[bytes], Flow(vault.sealed_file(plain.read)))
    stored = msgspec.structs.replace(put_stream(flow, content_type=content_type), encoding=encoding)
    return StoredPayload("", plain.size, plain.digest, content_type), stored


def seal_again(file: StoredPayload) -> tuple[StoredPayload, StoredPayload]:
    """Store a stored file, sealed or not, again as `put_sealed` does; PayloadUnreadableError."""
    with reading(file) as source:
        plain = source if file.encoding == PLAIN else Flow(vault.unsealed_file(source.read, file.encoding))
        return put_sealed(cast(IO[bytes], plain), content_type=file.content_type)


def under_first_key(file: StoredPayload) -> StoredPayload:
    """Return a stored file with the same content under the first key: `file` itself if it is under it."""
    return file if file.encoding == vault.keyring().encoding else seal_again(file)[1]


def get_file(file: StoredPayload) -> tuple[StoredPayload, bytes]:
    """Return a file in its plain form, and its bytes; PayloadUnreadableError."""
    body = get(file)
    if file.encoding == PLAIN:
        return file, body
    plain = b"".join(vault.unsealed_file(BytesIO(body).read, file.encoding))
    return StoredPayload("", len(plain), sha256(plain).hexdigest(), file.content_type), plain
