"""The chain of seals shows each kind of change, and covers no row before it is settled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from jobs.core.access.seals import GENESIS, SettledIds, first_difference, seal_hash, seal_mac

ONE, TWO, THREE, OTHER = (sha256(bytes([number])).digest() for number in range(4))
SEALED = ONE + TWO + THREE
AT = datetime(2026, 11, 29, tzinfo=UTC)
EARLIER = AT - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("ids", "hashes", "difference"),
    [
        ([1, 2, 3], [ONE, TWO, THREE], ""),
        ([1, 2, 3], [ONE, OTHER, THREE], "event 2 was changed"),
        ([1, 3], [ONE, THREE], "an event between event 1 and event 3 was removed"),
        ([2, 3], [TWO, THREE], "an event between the seal before and event 2 was removed"),
        ([1, 2], [ONE, TWO], "an event after event 2 was removed"),
        ([], [], "an event after the seal before was removed"),
        ([1, 2, 9, 3], [ONE, TWO, OTHER, THREE], "event 9 was added"),
        ([1, 2, 3, 4], [ONE, TWO, THREE, OTHER], "event 4 was added"),
    ],
)
def test_the_first_row_that_differs_is_named(ids: list[int], hashes: list[bytes], difference: str) -> None:
    assert first_difference(ids, hashes, SEALED) == difference


def test_a_seal_s_hash_covers_its_bounds_its_rows_and_the_seal_before() -> None:
    whole = seal_hash(GENESIS, first_id=1, last_id=3, row_hashes=SEALED, newest_at=AT)
    others = [
        seal_hash(ONE, first_id=1, last_id=3, row_hashes=SEALED, newest_at=AT),
        seal_hash(GENESIS, first_id=2, last_id=3, row_hashes=SEALED, newest_at=AT),
        seal_hash(GENESIS, first_id=1, last_id=4, row_hashes=SEALED, newest_at=AT),
        seal_hash(GENESIS, first_id=1, last_id=3, row_hashes=ONE + TWO, newest_at=AT),
        seal_hash(
            GENESIS, first_id=1, last_id=3, row_hashes=SEALED, newest_at=AT - timedelta(microseconds=1)
        ),
    ]
    assert len({whole, *others}) == 6
    assert seal_mac("a key", whole) != seal_mac("another", whole)


def test_an_id_is_settled_once_every_transaction_that_may_have_a_smaller_one_has_ended() -> None:
    ids = SettledIds()
    assert ids.look(newest=10, oldest_open=5, next_number=6) == 0
    assert ids.look(newest=11, oldest_open=5, next_number=8) == 0  # one that began before the look is open
    assert ids.look(newest=11, oldest_open=7, next_number=9) == 0  # one that had a number by the second look
    assert ids.look(newest=11, oldest_open=9, next_number=9) == 11
    assert ids.look(newest=12, oldest_open=9, next_number=9) == 11
    assert ids.look(newest=12, oldest_open=9, next_number=9) == 12
