"""Circuits that are not closed, cached in the process for up to a second, so that no request queries them."""

from __future__ import annotations

from time import monotonic

from jobs.core.circuits.gate import CircuitStatus
from jobs.db.statement import fetch_all
from jobs.services.circuits.statements import NOT_CLOSED, statuses_by_version

KEPT_S = 1.0
_cached: tuple[float, dict[int, CircuitStatus]] = (float("-inf"), {})


def circuit_of(version: int) -> CircuitStatus | None:
    """Return a version's circuit, or None where it is closed."""
    global _cached  # noqa: PLW0603  # one answer for all of the process
    if monotonic() - _cached[0] >= KEPT_S:
        _cached = (monotonic(), statuses_by_version(fetch_all(NOT_CLOSED)))
    return _cached[1].get(version)


def forget_circuits() -> None:
    """Drop the cache, so that the next read sees the database."""
    global _cached  # noqa: PLW0603
    _cached = (float("-inf"), {})
