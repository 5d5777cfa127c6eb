"""The rows of circuits, which all workers and relays share; each change is one statement that looks first.

A version without a row is closed. Every change leaves an Event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.circuits.breaker import CircuitState, Tally
from jobs.core.circuits.gate import CircuitStanding
from models_registry.core.breaker_options import BreakerOptions

BREAKER = "breaker"  # who acts, where no person does

_READ = sa.text("""
SELECT version_id, state, CAST(extract(epoch FROM retry_at - now()) AS double precision), probes, reason
FROM jobs_circuit WHERE state <> :closed
""")

# The cool-down follows from how often it opened in a row, which only the locked row tells.
_OPEN = """
INSERT INTO jobs_circuit AS circuit
  (version_id, state, reason, since, retry_at, openings, probes, succeeded)
VALUES (:version, :open, :reason, now(), now() + make_interval(secs => :first_s), 1, :probes, 0)
ON CONFLICT (version_id) DO UPDATE SET
  state = :open, reason = :reason, since = now(), probes = :probes, succeeded = 0,
  openings = circuit.openings + 1,
  retry_at = now() + make_interval(secs => LEAST(
    CAST(:cap_s AS double precision), :first_s * power(2, LEAST(circuit.openings, 32))))
WHERE circuit.state = ANY(CAST(:sources AS text[]))
RETURNING version_id, reason
"""

_HALF_OPEN = """
UPDATE jobs_circuit SET state = :half_open, since = now(), succeeded = 0
WHERE state = :open AND retry_at <= now()
RETURNING version_id, reason
"""

_COUNT = sa.text("""
UPDATE jobs_circuit SET succeeded = succeeded + :succeeded
WHERE version_id = :version AND state = :half_open
""")

_CLOSE = """
UPDATE jobs_circuit SET state = :closed, reason = :reason, since = now(), retry_at = NULL, openings = 0
WHERE version_id = :version AND state = :half_open AND succeeded >= probes
RETURNING version_id, reason
"""

# What was held is due at once; what waits for its own retry keeps its time.
_LET_GO = sa.text("""
WITH held AS (
  SELECT job_id FROM jobs_outbox
  WHERE queue = (SELECT model.name FROM models_registry_modelversion version
                 JOIN models_registry_registeredmodel model ON model.id = version.model_id
                 WHERE version.id = :version)
    AND version_id = :version AND published = 0 AND NOT retry AND due > now()
  LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE jobs_outbox SET due = now() FROM held WHERE jobs_outbox.job_id = held.job_id
""")

_STATES = {state.value: state.value for state in CircuitState}


@dataclass(frozen=True, slots=True)
class Changed:
    """A circuit that was changed, and why."""

    version: int
    reason: str


def read(connection: sa.Connection) -> dict[int, CircuitStanding]:
    """Return the circuits that are not closed, by version."""
    rows = connection.execute(_READ, {"closed": CircuitState.CLOSED.value})
    return {row[0]: CircuitStanding(row[0], CircuitState(row[1]), row[2], row[3], row[4]) for row in rows}


def open_circuit(
    connection: sa.Connection, *, version: int, reason: str, options: BreakerOptions
) -> list[Changed]:
    """Open a closed circuit, or one whose probes failed; return it, or nothing where it was open already."""
    values = {
        "version": version,
        "reason": reason,
        "first_s": options.cool_s,
        "cap_s": options.cap_s,
        "probes": options.probes,
        "sources": [CircuitState.CLOSED.value, CircuitState.HALF_OPEN.value],
    }
    return _change(connection, _OPEN, CircuitState.OPEN, values)


def begin_probing(connection: sa.Connection) -> list[Changed]:
    """Half-open the circuits whose cool-down is over, and return them."""
    return _change(connection, _HALF_OPEN, CircuitState.HALF_OPEN, {})


def probed(
    connection: sa.Connection, *, version: int, tally: Tally, options: BreakerOptions
) -> list[Changed]:
    """Note verdicts of a half-open version: one failure opens it again, enough successes close it."""
    if tally.blamed:
        reason = (
            f"It was tried again, and {tally.blamed} of {tally.blamed + tally.succeeded} attempts failed."
        )
        return _reopen(connection, version, reason, options)
    connection.execute(_COUNT, {"version": version, "succeeded": tally.succeeded, **_STATES})
    values = {"version": version, "reason": "It was tried again, and its jobs succeeded."}
    return _change(connection, _CLOSE, CircuitState.CLOSED, values)


def let_go(connection: sa.Connection, *, version: int, most: int) -> None:
    """Make up to `most` jobs due that were held; others come by themselves when their hold is over."""
    connection.execute(_LET_GO, {"version": version, "most": most})


def _reopen(connection: sa.Connection, version: int, reason: str, options: BreakerOptions) -> list[Changed]:
    half_open = sa.text(
        "SELECT FROM jobs_circuit WHERE version_id = :version AND state = :half_open FOR UPDATE"
    )
    if connection.execute(half_open, {"version": version, **_STATES}).first() is None:
        return []
    return open_circuit(connection, version=version, reason=reason, options=options)


def _change(
    connection: sa.Connection, statement: str, state: CircuitState, values: dict[str, Any]
) -> list[Changed]:
    """Run a change and append the Events that tell of it, in one statement."""
    noted = f"""
    WITH changed AS ({statement}), noted AS (
      INSERT INTO jobs_event (kind, actor, detail)
      SELECT :kind, :actor,
        jsonb_build_object('version', version_id, 'state', CAST(:now AS text), 'reason', reason)
      FROM changed
    ) SELECT version_id, reason FROM changed
    """  # noqa: S608  # built from constants of this file
    rows = connection.execute(
        sa.text(noted),
        {**_STATES, **values, "kind": AuditKind.CIRCUIT.value, "actor": BREAKER, "now": state.value},
    )
    return [Changed(*row) for row in rows]
