"""While a circuit is open nothing of its version is published; while it is half open, a few jobs are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.circuits.breaker import CircuitState
from jobs.core.circuits.gate import PROBE_AGAIN_S, CircuitGate, CircuitStatus


@dataclass(frozen=True)
class Row:
    version: int
    number: int = 0
    client: int = 7


OPEN = CircuitStatus(1, CircuitState.OPEN, left_s=7.0)
HALF_OPEN = CircuitStatus(1, CircuitState.HALF_OPEN, left_s=-1.0, probes=2)


def split(
    gate: CircuitGate, rows: Sequence[Row], circuit: CircuitStatus, now: float = 0.0
) -> tuple[int, float]:
    """Return how many rows of the circuit's version pass, and for how long the others are held."""
    passed, held = gate.split(rows, {circuit.key: circuit}, now)
    assert len(passed) + sum(len(group.rows) for group in held) == len(rows)
    return sum(row.version == circuit.version for row in passed), held[0].delay_s if held else 0.0


def test_open_holds_all_of_its_version_and_nothing_else() -> None:
    rows = [Row(1, 1), Row(2, 2), Row(1, 3), Row(2, 4)]
    passed, (held,) = CircuitGate().split(rows, {OPEN.key: OPEN}, 0.0)
    assert [row.number for row in passed] == [2, 4]
    assert [row.number for row in held.rows] == [1, 3]
    assert held.delay_s == 7.0


def test_open_until_closed_by_hand_is_looked_at_again() -> None:
    assert split(CircuitGate(), [Row(1)], CircuitStatus(1, CircuitState.OPEN)) == (0, 60.0)


def test_a_half_open_circuit_passes_its_probes_once_and_others_later() -> None:
    gate, rows = CircuitGate(), [Row(1)] * 5
    assert split(gate, rows, HALF_OPEN) == (2, 1.0)
    assert split(gate, rows, HALF_OPEN, 1.0) == (0, 1.0)
    assert split(gate, rows, HALF_OPEN, PROBE_AGAIN_S) == (2, 1.0)


def test_an_open_circuit_is_probed_after_its_cool_down() -> None:
    assert split(CircuitGate(), [Row(1)] * 9, CircuitStatus(1, CircuitState.OPEN, left_s=0.0, probes=3)) == (
        3,
        1.0,
    )


def test_a_client_s_circuit_holds_only_that_client_s_jobs() -> None:
    own = CircuitStatus(1, CircuitState.OPEN, left_s=3.0, client=7)
    rows = [Row(1, 1), Row(1, 2, client=8), Row(2, 3), Row(1, 4)]
    passed, (held,) = CircuitGate().split(rows, {own.key: own}, 0.0)
    assert [row.number for row in passed] == [2, 3]
    assert ([row.number for row in held.rows], held.delay_s) == ([1, 4], 3.0)


def test_a_held_client_uses_up_none_of_its_version_s_probes() -> None:
    own = CircuitStatus(1, CircuitState.OPEN, left_s=3.0, client=7)
    rows = [Row(1, 1), Row(1, 2), Row(1, 3, client=8), Row(1, 4, client=8)]
    passed, _ = CircuitGate().split(rows, {own.key: own, HALF_OPEN.key: HALF_OPEN}, 0.0)
    assert [row.number for row in passed] == [3, 4]


@given(st.lists(st.integers(1, 3), max_size=50), st.integers(1, 5))
def test_rows_are_kept_in_order_and_none_is_lost(versions: list[int], probes: int) -> None:
    rows = [Row(version, number) for number, version in enumerate(versions)]
    probing = CircuitStatus(2, CircuitState.HALF_OPEN, probes=probes)
    passed, held = CircuitGate().split(rows, {OPEN.key: OPEN, probing.key: probing}, 0.0)
    assert sorted([*passed, *(row for group in held for row in group.rows)], key=lambda r: r.number) == rows
    assert [row.number for row in passed] == sorted(row.number for row in passed)
    assert sum(row.version == 2 for row in passed) <= probes
    assert all(row.version != 1 for row in passed)
