"""Rows of paused versions and clients wait; the others keep their order."""

from __future__ import annotations

from typing import NamedTuple

from jobs.core.circuits.paused_work import NOTHING_PAUSED, Paused, split_paused


class Row(NamedTuple):
    version: int
    client: int


ROWS = [Row(1, 1), Row(2, 1), Row(1, 2), Row(2, 2)]


def test_without_a_pause_nothing_waits() -> None:
    assert split_paused(ROWS, NOTHING_PAUSED) == (ROWS, [])


def test_a_paused_version_and_a_paused_client_wait() -> None:
    assert split_paused(ROWS, Paused(versions=frozenset({1}))) == (
        [Row(2, 1), Row(2, 2)],
        [Row(1, 1), Row(1, 2)],
    )
    assert split_paused(ROWS, Paused(clients=frozenset({2}))) == (
        [Row(1, 1), Row(2, 1)],
        [Row(1, 2), Row(2, 2)],
    )
