"""Circuits that are not closed, kept in the process for up to a second: no query a request."""

from __future__ import annotations

from time import monotonic
from typing import LiteralString

from jobs.core.circuits.breaker import CircuitState
from jobs.core.circuits.gate import CircuitStanding
from jobs.db.positional import fetch_all

KEPT_S = 1.0
_READ: LiteralString = """
SELECT version_id, state, extract(epoch FROM retry_at - now())::float8, probes, reason
FROM jobs_circuit WHERE state <> %s
"""
_kept: tuple[float, dict[int, CircuitStanding]] = (float("-inf"), {})


def circuit_of(version: int) -> CircuitStanding | None:
    """Return a version's circuit, or None where it is closed."""
    global _kept  # noqa: PLW0603  # one answer for all of the process
    if monotonic() - _kept[0] >= KEPT_S:
        _kept = (monotonic(), _read())
    return _kept[1].get(version)


def forget_circuits() -> None:
    """Drop what is kept, so that the next read sees the database."""
    global _kept  # noqa: PLW0603
    _kept = (float("-inf"), {})


def _read() -> dict[int, CircuitStanding]:
    rows = fetch_all(_READ, (CircuitState.CLOSED.value,))
    return {row[0]: CircuitStanding(row[0], CircuitState(row[1]), *row[2:]) for row in rows}
