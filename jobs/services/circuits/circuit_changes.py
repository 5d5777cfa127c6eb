"""The changes of a version's circuits, as their Events have recorded them."""

from __future__ import annotations

from datetime import datetime

from jobs.core.circuits.breaker import CircuitState
from jobs.core.circuits.open_times import CircuitChange
from jobs.db.statement import Statement, fetch_all

MOST_CHANGES = 10_000  # of a version; a circuit that opens again and again makes some hundred a day
# By the index `event_of_circuit`. An Event without a client is of every one; the rest of a version on one
# worker (`resting`) is no state of a circuit.
CHANGES = Statement(
    """
SELECT COALESCE(CAST(detail->>'client' AS int), 0) AS client, detail->>'state' AS state, at FROM jobs_event
WHERE kind = 'circuit' AND detail->>'version' = %(version)s::text AND at < %(until)s
  AND detail->>'state' = ANY(%(states)s::text[])
ORDER BY at DESC LIMIT %(most)s
""",
    CircuitChange,
)


def read_changes(version: int, *, until: datetime) -> list[CircuitChange]:
    """Return the newest 10,000 changes of a version's circuits before `until`, the newest first."""
    states = [state.value for state in CircuitState]
    return fetch_all(CHANGES, {"version": version, "until": until, "states": states, "most": MOST_CHANGES})
