"""Decides which jobs the relay publishes while circuits are not closed: none, or a few probes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from jobs.core.circuits.breaker import CircuitState

LONGEST_HOLD_S = 60.0  # held jobs are read again by then, because an operator may close a circuit at any time
PROBING_HOLD_S = 1.0
PROBE_AGAIN_S = 5.0  # probes without a result (invalid, cancelled) are replaced


@dataclass(frozen=True, slots=True)
class CircuitStatus:
    """The state of a version's circuit in Postgres.

    `left_s` is how long it stays open; None means until an operator closes it.
    """

    version: int
    state: CircuitState
    left_s: float | None = None
    probes: int = 5
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Return whether its jobs are held back."""
        return self.state is CircuitState.OPEN and (self.left_s is None or self.left_s > 0)


class OfVersion(Protocol):
    """A row that is about to be published."""

    @property
    def version(self) -> int: ...  # noqa: D102


Row = TypeVar("Row", bound=OfVersion)


@dataclass(frozen=True, slots=True)
class Held(Generic[Row]):
    """Rows that stay in the outbox for `delay_s` seconds."""

    rows: Sequence[Row]
    delay_s: float


class CircuitGate:
    """Splits a queue's rows by their versions' circuits; `now` is in seconds and only goes forward."""

    def __init__(self) -> None:
        self._probes: dict[int, tuple[float, int]] = {}

    def split(
        self, rows: Sequence[Row], circuits: Mapping[int, CircuitStatus], now: float
    ) -> tuple[list[Row], list[Held[Row]]]:
        """Return the rows to publish now, in their order, and those to hold."""
        held: dict[int, list[Row]] = {}
        passed = [row for row in rows if self._passes(row, circuits.get(row.version), now, held)]
        return passed, [Held(group, _hold_s(circuits[version])) for version, group in held.items()]

    def _passes(
        self, row: Row, circuit: CircuitStatus | None, now: float, held: dict[int, list[Row]]
    ) -> bool:
        if circuit is None or (not circuit.holds and self._is_probe(circuit, now)):
            return True
        held.setdefault(row.version, []).append(row)
        return False

    def _is_probe(self, circuit: CircuitStatus, now: float) -> bool:
        since, probes = self._probes.get(circuit.version, (now, 0))
        if now - since >= PROBE_AGAIN_S:
            since, probes = now, 0
        if probes >= circuit.probes:
            return False
        self._probes[circuit.version] = since, probes + 1
        return True


def _hold_s(circuit: CircuitStatus) -> float:
    if not circuit.holds:
        return PROBING_HOLD_S
    return LONGEST_HOLD_S if circuit.left_s is None else min(circuit.left_s, LONGEST_HOLD_S)
