"""Decides which jobs the relay publishes while circuits are not closed: none, or a few probes. Pure.

A job runs where two circuits let it: its version's, and its client's at this version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from jobs.core.circuits.breaker import CircuitState
from jobs.core.circuits.tally import EVERY_CLIENT

LONGEST_HOLD_S = 60.0  # held jobs are read again by then, because an operator may close a circuit at any time
PROBING_HOLD_S = 1.0
PROBE_AGAIN_S = 5.0  # probes without a result (invalid, cancelled) are replaced
CircuitKey = tuple[int, int]  # version and client


@dataclass(frozen=True, slots=True)
class CircuitStatus:
    """The state of a circuit in Postgres, of a version's jobs or of one client's at the version.

    `left_s` is how long it stays open; None means until an operator closes it.
    """

    version: int
    state: CircuitState
    left_s: float | None = None
    probes: int = 5
    reason: str = ""
    client: int = EVERY_CLIENT

    @property
    def key(self) -> CircuitKey:
        """Return what it holds back."""
        return self.version, self.client

    @property
    def holds(self) -> bool:
        """Return whether its jobs are held back."""
        return self.state is CircuitState.OPEN and not self.cooled

    @property
    def cooled(self) -> bool:
        """Return whether it is open and its time is over: it is to be tried."""
        return self.state is CircuitState.OPEN and self.left_s is not None and self.left_s <= 0


class OfClient(Protocol):
    """A row that is about to be published."""

    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def client(self) -> int: ...  # noqa: D102


Row = TypeVar("Row", bound=OfClient)
Circuits = Mapping[CircuitKey, CircuitStatus]


@dataclass(frozen=True, slots=True)
class Held(Generic[Row]):
    """Rows that stay in the outbox for `delay_s` seconds."""

    rows: Sequence[Row]
    delay_s: float


class CircuitGate:
    """Splits a queue's rows by their circuits; `now` is in seconds and only goes forward."""

    def __init__(self) -> None:
        self._probes: dict[CircuitKey, tuple[float, int]] = {}

    def split(self, rows: Sequence[Row], circuits: Circuits, now: float) -> tuple[list[Row], list[Held[Row]]]:
        """Return the rows to publish now, in their order, and those to hold."""
        if not circuits:
            return list(rows), []
        held: dict[CircuitKey, list[Row]] = {}
        passed = [row for row in rows if self._passes(row, circuits, now, held)]
        return passed, [Held(group, _hold_s(circuits[key])) for key, group in held.items()]

    def _passes(self, row: Row, circuits: Circuits, now: float, held: dict[CircuitKey, list[Row]]) -> bool:
        of_row = circuits_of(row.version, row.client, circuits)
        # One that is held by the one circuit is no probe of the other.
        for circuit in sorted(of_row, key=lambda circuit: not circuit.holds):
            if circuit.holds or not self._is_probe(circuit, now):
                held.setdefault(circuit.key, []).append(row)
                return False
        return True

    def _is_probe(self, circuit: CircuitStatus, now: float) -> bool:
        since, probes = self._probes.get(circuit.key, (now, 0))
        if now - since >= PROBE_AGAIN_S:
            since, probes = now, 0
        if probes >= circuit.probes:
            return False
        self._probes[circuit.key] = since, probes + 1
        return True


def circuits_of(version: int, client: int, circuits: Circuits) -> list[CircuitStatus]:
    """Return the circuits that a client's jobs at a version have to pass, but for closed ones."""
    keys = {(version, EVERY_CLIENT), (version, client)}
    return [circuits[key] for key in sorted(keys) if key in circuits]


def _hold_s(circuit: CircuitStatus) -> float:
    if not circuit.holds:
        return PROBING_HOLD_S
    return LONGEST_HOLD_S if circuit.left_s is None else min(circuit.left_s, LONGEST_HOLD_S)
