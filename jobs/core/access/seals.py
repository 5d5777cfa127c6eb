"""The chain of seals over the audit, and which of its rows may be sealed. Pure.

A seal covers the next rows in the order of their ids: it holds a hash of each, and a hash of all that and
of the seal before. Who changes, adds or removes a row breaks its seal; who makes that seal anew breaks all
later ones. Each hash is signed with a key that the database does not have. AWS CloudTrail's digest files are
such a chain, and they too are made beside the hot path.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from jobs.core.payloads import keyed_digest

GENESIS = bytes(32)
HASH_BYTES = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seal_hash(
    previous: bytes, *, first_id: int, last_id: int, row_hashes: bytes, newest_at: datetime
) -> bytes:
    """Return the hash of a seal over the rows `first_id` to `last_id`, which follows `previous`."""
    newest_us = (newest_at - _EPOCH) // timedelta(microseconds=1)
    head = f"{first_id}:{last_id}:{newest_us}:{len(row_hashes)}:".encode()
    return sha256(previous + head + row_hashes).digest()


def seal_mac(secret_key: str, hash_: bytes) -> bytes:
    """Return the signature of a seal's hash by a holder of SECRET_KEY."""
    return keyed_digest.keyed(keyed_digest.derived(secret_key.encode(), "audit seals"), hash_)


def first_difference(ids: Sequence[int], hashes: Sequence[bytes], row_hashes: bytes) -> str:
    """Return a phrase on the first row that is not as it was sealed; empty where all are."""
    sealed = [row_hashes[at : at + HASH_BYTES] for at in range(0, len(row_hashes), HASH_BYTES)]
    for number, expected in enumerate(sealed):
        if number < len(hashes) and hashes[number] == expected:
            continue
        before = f"event {ids[number - 1]}" if number else "the seal before"
        if number >= len(hashes):
            return f"an event after {before} was removed"
        if hashes[number] in sealed[number + 1 :]:
            return f"an event between {before} and event {ids[number]} was removed"
        if number + 1 < len(hashes) and hashes[number + 1] == expected:
            return f"event {ids[number]} was added"
        return f"event {ids[number]} was changed"
    return f"event {ids[len(sealed)]} was added" if len(hashes) > len(sealed) else ""


class SettledIds:
    """Finds the ids below which no transaction can add a row any more.

    Rows get ids when they are inserted and are seen when they are committed, so a smaller id may come later.
    Whoever has an id at one look has a transaction number by the next. Once all numbers that were given out
    until then have ended, the ids of the first look are settled.
    """

    def __init__(self) -> None:
        """Begin without a look."""
        self.settled = 0
        self._looks = deque[tuple[int, int | None]]()

    def look(self, *, newest: int, oldest_open: int, next_number: int) -> int:
        """Return the settled id after a look at the newest id, the oldest open number and the next one."""
        self._looks = deque((seen, next_number if bound is None else bound) for seen, bound in self._looks)
        while self._looks and (self._looks[0][1] or 0) <= oldest_open:
            self.settled, _ = self._looks.popleft()
        if newest > max(self.settled, self._looks[-1][0] if self._looks else 0):
            self._looks.append((newest, None))
        return self.settled
