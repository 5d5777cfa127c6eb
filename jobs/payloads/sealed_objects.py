"""Clients' files: sealed on arrival where keys are set, each under a key of its own.

The key of a file is wrapped for its client, under the client's data key, until a job of a version that
encrypts refers to it; then it is wrapped for that job. So a file is sealed once and never copied, and what
destroys the job's key destroys that of its files.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from secrets import token_bytes
from typing import IO, cast

import msgspec
from django.conf import settings

from jobs.core.errors import PayloadPlainError, PayloadUnreadableError
from jobs.core.payloads.job_keys import OF_CLIENT, OF_JOB, DataKeyName, FilePlace
from jobs.core.payloads.keyring import KEY_BYTES, NONCE_BYTES, PLAIN, SealedPlace, sealed, unsealed
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.payloads.sealed_file import SALT_BYTES, Flow, Read, sealed_pieces, unsealed_pieces
from jobs.payloads import vault
from jobs.payloads.job_seal import JobSeal
from jobs.payloads.object_store import Measured, get, put_stream, reading


def put_file(source: IO[bytes], *, client: int, content_type: str) -> tuple[StoredPayload, StoredPayload]:
    """Store a client's file, sealed if keys are set; return it in its plain and in its stored form."""
    if not settings.INFERENCE.seals:
        file = put_stream(source, content_type=content_type)
        return file, file
    key, plain = token_bytes(KEY_BYTES), Measured(source)
    flow = cast(IO[bytes], Flow(_sealed(plain.read, key)))
    stored = put_stream(flow, content_type=content_type)
    data_key = vault.data_keys().for_sealing(_data_key(client, stored.name))
    place = FilePlace(client, stored.name)
    wrapped = sealed(key, key=data_key, place=place, nonce=token_bytes(NONCE_BYTES))
    file = StoredPayload("", plain.size, plain.digest, content_type)
    return file, msgspec.structs.replace(stored, encoding=OF_CLIENT, key=wrapped)


def for_job(file: StoredPayload, *, seal: JobSeal, before: JobSeal | None = None) -> StoredPayload:
    """Return a client's file as one of a job that encrypts; `before` is the seal that it had.

    PayloadPlainError if it lies in clear.
    """
    if file.encoding == PLAIN:
        raise PayloadPlainError("A file of the job is not encrypted, but its model version encrypts.")
    key = _key(file, before or seal)
    wrapped = seal.seal_at(key, FilePlace(seal.identity, file.name))
    return msgspec.structs.replace(file, encoding=OF_JOB, key=wrapped)


def get_file(file: StoredPayload, seal: JobSeal) -> tuple[StoredPayload, bytes]:
    """Return a job's file in its plain form, and its bytes; PayloadUnreadableError."""
    if seal.encrypts and file.encoding != OF_JOB:
        raise PayloadPlainError("A file of the job is not encrypted for it, but its model version encrypts.")
    body = get(file)
    if file.encoding == PLAIN:
        return file, body
    plain = b"".join(_unsealed(BytesIO(body).read, _key(file, seal)))
    return StoredPayload("", len(plain), sha256(plain).hexdigest(), file.content_type), plain


def copy_file(file: StoredPayload, target: Path, *, client: int) -> None:
    """Write a client's own file in clear to `target`; the errors of `get_file`."""
    with reading(file) as source, target.open("xb") as copy:
        if file.encoding == PLAIN:
            pieces = iter(source.read, b"")
        else:
            pieces = _unsealed(source.read, _client_key(file, client))
        for piece in pieces:
            copy.write(piece)


def _key(file: StoredPayload, seal: JobSeal) -> bytes:
    if file.encoding == OF_JOB:
        return seal.unseal_at(file.key, FilePlace(seal.identity, file.name))
    if file.encoding != OF_CLIENT:
        raise PayloadUnreadableError(f"A file has the encoding {file.encoding!r} of another release.")
    return _client_key(file, seal.identity.client)


def _client_key(file: StoredPayload, client: int) -> bytes:
    data_key = vault.data_keys().for_reading(_data_key(client, file.name))
    return unsealed(file.key, key=data_key, place=FilePlace(client, file.name))


def _data_key(client: int, name: str) -> DataKeyName:
    """Return the name of the data key of a file's client and month; an object's name begins with its day."""
    year, month = name[:4], name[5:7]
    if not (year + month).isdigit():
        raise PayloadUnreadableError("The name of a file does not begin with its day.")
    return DataKeyName(client, int(year + month))


def _sealed(read: Read, key: bytes) -> Iterator[bytes]:
    def seal(piece: bytes, place: SealedPlace) -> bytes:
        return sealed(piece, key=key, place=place, nonce=token_bytes(NONCE_BYTES))

    return sealed_pieces(read, seal=seal, salt=token_bytes(SALT_BYTES))


def _unsealed(read: Read, key: bytes) -> Iterator[bytes]:
    return unsealed_pieces(read, unseal=lambda piece, place: unsealed(piece, key=key, place=place))
