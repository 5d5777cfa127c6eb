"""The claim check: large bodies go into the storage, and their rows hold pointers to them."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from jobs.core.payloads.keyring import Place
from jobs.core.payloads.pointer import StoredPayload, is_pointer, pointer_bytes, pointer_of
from jobs.payloads import vault
from jobs.payloads.object_store import get, head, put


def store_payload(body: bytes, files: Sequence[StoredPayload] = (), before: Sequence[str] = ()) -> bytes:
    """Return the bytes for the row: `body` itself, or a pointer if it is large or refers to `files`.

    `before` names the objects that the row pointed at, because processes that have read the old pointer may
    still read them.
    """
    if len(body) <= settings.INFERENCE.claim_check_bytes and not files:
        return body
    return pointer_bytes(put(body), files, before)


def load_payload(body: bytes) -> bytes:
    """Return the payload of a row's bytes; PayloadLostError, -CorruptError or -UnavailableError."""
    return get(pointer_of(body)) if is_pointer(body) else body


def load_plain(body: bytes, encoding: str, place: Place) -> bytes:
    """Return the decrypted payload of a row's bytes; payloads are sealed before they are stored."""
    return vault.unseal(load_payload(body), encoding, place)


def head_of(body: bytes, total: int, most: int) -> tuple[bytes, int]:
    """Return the first `most` bytes and the size of a row's payload; the errors of `load_payload`.

    `body` holds at least the first POINTER_BYTES of the row's `total` bytes.
    """
    if not is_pointer(body):
        return body[:most], total
    pointer = pointer_of(body)
    return head(pointer, most), pointer.size
