"""Circuits that are not closed, cached in the process for up to a second, so that no request queries them."""

from __future__ import annotations

from time import monotonic

from jobs.core.circuits.gate import CircuitKey, CircuitStatus, circuits_of
from jobs.core.circuits.paused_work import NOTHING_PAUSED
from jobs.core.circuits.tally import EVERY_CLIENT
from jobs.db.statement import fetch_all
from jobs.services.circuits.paused_rows import PAUSES, paused_of
from jobs.services.circuits.statements import NOT_CLOSED, statuses_by_key

KEPT_S = 1.0
_cached: tuple[float, dict[CircuitKey, CircuitStatus]] = (float("-inf"), {})
_paused = NOTHING_PAUSED  # as old as the circuits


def circuit_of(version: int, client: int = EVERY_CLIENT) -> CircuitStatus | None:
    """Return the circuit that holds a client's jobs at a version, else one that lets a few pass, or None."""
    circuits = circuits_of(version, client, _circuits())
    return min(circuits, key=lambda circuit: not circuit.holds, default=None)


def any_hold() -> bool:
    """Return whether any circuit is not closed, or anything paused."""
    return bool(_circuits()) or _paused != NOTHING_PAUSED


def is_paused(version: int, client: int) -> bool:
    """Return whether an operator lets a client's jobs at a version wait."""
    _circuits()
    return _paused.holds(version, client)


def used_life() -> float:
    """Return the part of its time that the cache has stood; 1 or more: the next read asks the database."""
    return (monotonic() - _cached[0]) / KEPT_S


def renew_circuits() -> None:
    """Read the circuits that are not closed, and what is paused."""
    global _cached, _paused  # noqa: PLW0603  # one answer for all of the process
    circuits, _paused = fetch_all(NOT_CLOSED), paused_of(fetch_all(PAUSES))
    _cached = (monotonic(), statuses_by_key(circuits))


def _circuits() -> dict[CircuitKey, CircuitStatus]:
    if used_life() >= 1:
        renew_circuits()
    return _cached[1]


def forget_circuits() -> None:
    """Drop the cache, so that the next read sees the database."""
    global _cached  # noqa: PLW0603
    _cached = (float("-inf"), {})
