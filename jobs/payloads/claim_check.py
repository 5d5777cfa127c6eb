"""Check bodies in on their way to a row, and out on their way from it."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from jobs.core.payloads.keyring import Place
from jobs.core.payloads.pointer import StoredPayload, is_pointer, pointer_bytes, pointer_of
from jobs.payloads import vault
from jobs.payloads.object_store import get, head, put


def store_payload(body: bytes, files: Sequence[StoredPayload] = (), before: Sequence[str] = ()) -> bytes:
    """Return what a row is to hold: `body` itself, or a pointer where it is large or refers to `files`.

    `before` are the objects that the row pointed at: who has read them there may read them for a while yet.
    """
    if len(body) <= settings.INFERENCE.claim_check_bytes and not files:
        return body
    return pointer_bytes(put(body), files, before)


def load_payload(body: bytes) -> bytes:
    """Return the bytes that a row's stand for; PayloadLostError, -CorruptError or -UnavailableError."""
    return get(pointer_of(body)) if is_pointer(body) else body


def load_plain(body: bytes, encoding: str, place: Place) -> bytes:
    """Return in clear what a row's bytes stand for: what is sealed was sealed before it was stored."""
    return vault.unseal(load_payload(body), encoding, place)


def head_of(body: bytes, total: int, most: int) -> tuple[bytes, int]:
    """Return the first `most` bytes of what a row's stand for, and how many it has; as `load_payload` raises.

    `body` is at least a row's first POINTER_BYTES, of `total`.
    """
    if not is_pointer(body):
        return body[:most], total
    pointer = pointer_of(body)
    return head(pointer, most), pointer.size
