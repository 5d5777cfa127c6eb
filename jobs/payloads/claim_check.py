"""The claim check: large bodies go into the storage, and their rows hold pointers to them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.conf import settings

from jobs.core.payloads.keyring import Column
from jobs.core.payloads.pointer import StoredPayload, is_pointer, pointer_bytes, pointer_of
from jobs.payloads.job_seal import JobSeal
from jobs.payloads.object_store import get, head, put

JSON = "application/json"


def store_payload(body: bytes, files: Sequence[StoredPayload] = (), *, content_type: str = JSON) -> bytes:
    """Return the bytes for the row: `body` itself, or a pointer if it is large or refers to `files`."""
    if len(body) <= settings.INFERENCE.claim_check_bytes and not files:
        return body
    return pointer_bytes(msgspec.structs.replace(put(body), content_type=content_type), files)


def load_payload(body: bytes) -> bytes:
    """Return the payload of a row's bytes; PayloadLostError, -CorruptError or -UnavailableError."""
    return get(pointer_of(body)) if is_pointer(body) else body


def load_plain(body: bytes, encoding: str, seal: JobSeal, column: Column) -> bytes:
    """Return the decrypted payload of a row's bytes; payloads are sealed before they are stored."""
    return seal.unseal(load_payload(body), encoding, column)


def head_of(body: bytes, total: int, most: int) -> tuple[bytes, int]:
    """Return the first `most` bytes and the size of a row's payload; the errors of `load_payload`.

    `body` holds at least the first POINTER_BYTES of the row's `total` bytes.
    """
    if not is_pointer(body):
        return body[:most], total
    pointer = pointer_of(body)
    return head(pointer, most), pointer.size
