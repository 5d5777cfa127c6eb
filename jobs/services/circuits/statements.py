"""The rows of circuits, the same for all workers and relays; a change is one statement that checks the row.

A version has a row of EVERY_CLIENT and rows of single clients; one without a row is closed. Every change
leaves an Event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.circuits.breaker import CircuitState, Finding
from jobs.core.circuits.gate import CircuitKey, CircuitStatus
from jobs.core.circuits.rest import Elsewhere, Sighting, WorkerTotal
from jobs.core.circuits.tally import EVERY_CLIENT, VerdictTally
from jobs.core.ids import first_id_at
from jobs.db.statement import Statement, run
from models_registry.core.options import BreakerOptions
from models_registry.core.refs import SLOW_ENDING

BREAKER = "breaker"  # the actor of changes that no person made
MOST_BATCHES = 256  # of other workers that are looked at upon trouble
SILENT_S = 15.0  # a worker without a heartbeat for so long serves nothing


class CircuitRow(NamedTuple):
    """A circuit as stored; `left_s` is None where only a person closes it."""

    version: int
    client: int
    state: str
    left_s: float | None
    probes: int
    reason: str


class Changed(NamedTuple):
    """A circuit that was changed, and why."""

    version: int
    client: int
    reason: str


def _noted(change: LiteralString) -> LiteralString:
    """Return a change together with the Events that record it, in one statement."""
    return f"""
WITH changed AS ({change}), noted AS (
  INSERT INTO jobs_event (kind, actor, detail)
  SELECT %(kind)s, %(actor)s,
    jsonb_build_object('version', version_id, 'client', client, 'state', %(now)s::text, 'reason', reason)
  FROM changed
) SELECT version_id AS version, client, reason FROM changed
"""  # noqa: S608  # built from constants of this file


NOT_CLOSED = Statement(
    """
SELECT version_id AS version, client, state, extract(epoch FROM retry_at - now())::float8 AS left_s, probes,
  reason
FROM jobs_circuit WHERE state <> 'closed'
""",
    CircuitRow,
)

# The cool-down follows from how often the circuit opened in a row, which only the locked row says.
_OPEN = Statement(
    _noted("""
INSERT INTO jobs_circuit AS circuit
  (version_id, client, state, reason, since, retry_at, openings, probes, succeeded)
VALUES (%(version)s, %(client)s, %(now)s, %(reason)s, now(), now() + make_interval(secs => %(first_s)s), 1,
  %(probes)s, 0)
ON CONFLICT (version_id, client) DO UPDATE SET
  state = %(now)s, reason = %(reason)s, since = now(), probes = %(probes)s, succeeded = 0,
  openings = circuit.openings + 1,
  retry_at = now() + make_interval(secs => LEAST(
    %(cap_s)s::float8, %(first_s)s * power(2, LEAST(circuit.openings, 32))))
WHERE circuit.state IN ('closed', 'half_open')
RETURNING version_id, client, reason
"""),
    Changed,
)

_HALF_OPEN = Statement(
    _noted("""
UPDATE jobs_circuit SET state = %(now)s, since = now(), succeeded = 0
WHERE id = ANY(ARRAY(
  SELECT id FROM jobs_circuit WHERE state = 'open' AND retry_at <= now() FOR UPDATE SKIP LOCKED
))
RETURNING version_id, client, reason
"""),
    Changed,
)

_COUNT = Statement("""
UPDATE jobs_circuit SET succeeded = succeeded + %(succeeded)s
WHERE version_id = %(version)s AND client = %(client)s AND state = 'half_open'
""")

_CLOSE = Statement(
    _noted("""
UPDATE jobs_circuit SET state = %(now)s, reason = %(reason)s, since = now(), retry_at = NULL, openings = 0
WHERE version_id = %(version)s AND client = %(client)s AND state = 'half_open' AND succeeded >= probes
RETURNING version_id, client, reason
"""),
    Changed,
)

_LOCK_HALF_OPEN = Statement(
    """
SELECT version_id FROM jobs_circuit
WHERE version_id = %(version)s AND client = %(client)s AND state = 'half_open' FOR UPDATE
""",
    int,
)

# Held jobs are due at once; a job that waits for its own retry keeps its time.
_LET_GO = Statement("""
WITH held AS (
  SELECT job_id FROM jobs_outbox
  WHERE queue IN (SELECT unnest(ARRAY[model.name, model.name || %(slow)s::text])
                  FROM models_registry_modelversion version
                  JOIN models_registry_registeredmodel model ON model.id = version.model_id
                  WHERE version.id = %(version)s)
    AND version_id = %(version)s AND (%(client)s = %(every_client)s OR client = %(client)s)
    AND published = 0 AND NOT retry AND due > now()
  LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_outbox SET due = now() FROM held WHERE jobs_outbox.job_id = held.job_id
""")


# Read upon trouble only. A job that another batch ran since then is not counted twice.
_SIGHTINGS = Statement(
    """
SELECT batch.worker_id AS worker, job.client_id AS client,
  count(*) FILTER (WHERE job.state = 'succeeded') AS succeeded,
  count(*) FILTER (WHERE job.state IN ('waiting', 'dead')) AS failed
FROM (
  SELECT id, worker_id, members FROM jobs_batch
  WHERE id >= %(first)s AND version_id = %(version)s AND worker_id <> %(worker)s
  ORDER BY id DESC LIMIT %(most)s
) AS batch
CROSS JOIN LATERAL unnest(batch.members) AS member(id)
JOIN jobs_job job ON job.id = member.id AND job.batch_id = batch.id
GROUP BY batch.worker_id, job.client_id
""",
    Sighting,
)
# By the ledger, which also knows of jobs that another batch ran since then.
_TOTALS = Statement(
    """
SELECT worker_id AS worker, sum(succeeded)::int AS succeeded, sum(failed)::int AS failed
FROM (
  SELECT worker_id, succeeded, failed FROM jobs_batch
  WHERE id >= %(first)s AND version_id = %(version)s AND worker_id <> %(worker)s
  ORDER BY id DESC LIMIT %(most)s
) AS batch GROUP BY worker_id
""",
    WorkerTotal,
)
# A worker on which the version rests does not serve its model, nor does one that cannot load the version.
_SERVED = Statement(
    """
SELECT EXISTS (
  SELECT FROM jobs_worker worker
  CROSS JOIN LATERAL unnest(worker.model_names) AS name
  WHERE worker.ended_at IS NULL AND worker.id <> %(worker)s
    AND worker.heartbeat_at > now() - make_interval(secs => %(silent_s)s)
    AND split_part(split_part(name, ':', 1), '@', 1) = (
      SELECT model.name FROM models_registry_modelversion version
      JOIN models_registry_registeredmodel model ON model.id = version.model_id
      WHERE version.id = %(version)s)
    AND NOT EXISTS (
      SELECT FROM models_registry_versionload load
      WHERE load.node = worker.node AND load.version_id = %(version)s AND load.state = 'failed')
)
""",
    bool,
)
_HALF_OPEN_FOR = Statement(
    """
SELECT extract(epoch FROM now() - since)::float8 FROM jobs_circuit
WHERE version_id = %(version)s AND client = %(client)s AND state = 'half_open'
""",
    float,
)
_NOW_MS = Statement("SELECT (extract(epoch FROM now()) * 1000)::bigint", int)


def read(connection: sa.Connection) -> dict[CircuitKey, CircuitStatus]:
    """Return the circuits that are not closed, by version and client."""
    return statuses_by_key(run(connection, NOT_CLOSED))


def statuses_by_key(rows: Iterable[CircuitRow]) -> dict[CircuitKey, CircuitStatus]:
    """Return the circuits of rows of NOT_CLOSED, by version and client."""
    circuits = [
        CircuitStatus(row.version, CircuitState(row.state), row.left_s, row.probes, row.reason, row.client)
        for row in rows
    ]
    return {circuit.key: circuit for circuit in circuits}


def elsewhere(connection: sa.Connection, *, version: int, worker: UUID, window_s: float) -> Elsewhere:
    """Return what the other workers made of the version's jobs in the last `window_s` seconds."""
    (now_ms,) = run(connection, _NOW_MS)
    first = first_id_at(now_ms - int(window_s * 1_000))
    values = {"version": version, "worker": worker, "first": first, "most": MOST_BATCHES}
    (served,) = run(connection, _SERVED, {"version": version, "worker": worker, "silent_s": SILENT_S})
    return Elsewhere(run(connection, _SIGHTINGS, values), run(connection, _TOTALS, values), served)


def probing_elsewhere(connection: sa.Connection, *, key: CircuitKey, worker: UUID) -> Elsewhere | None:
    """Return what the other workers made of a half-open circuit's probes; None where it is not half open."""
    version, client = key
    for age_s in run(connection, _HALF_OPEN_FOR, {"version": version, "client": client}):
        return elsewhere(connection, version=version, worker=worker, window_s=age_s)
    return None


def probes_failed(client: int, tally: VerdictTally) -> int:
    """Return how many of these verdicts open a half-open circuit of the client again."""
    return tally.suspected if client == EVERY_CLIENT else max(tally.blamed, tally.dead)


def open_circuit(
    connection: sa.Connection, *, version: int, finding: Finding, options: BreakerOptions
) -> list[Changed]:
    """Open a closed circuit, or one whose probes failed; return it, or nothing where it was open."""
    values = {
        "version": version,
        "client": finding.client,
        "reason": finding.reason,
        "first_s": options.cool_s,
        "cap_s": options.cap_s,
        "probes": options.probes,
    }
    return _change(connection, _OPEN, CircuitState.OPEN, values)


def begin_probing(connection: sa.Connection) -> list[Changed]:
    """Half-open the circuits whose cool-down is over, and return them."""
    return _change(connection, _HALF_OPEN, CircuitState.HALF_OPEN, {})


def probed(
    connection: sa.Connection, *, key: CircuitKey, tally: VerdictTally, options: BreakerOptions
) -> list[Changed]:
    """Count verdicts of a half-open circuit: one failure opens it again, enough successes close it."""
    version, client = key
    failed = probes_failed(client, tally)
    if failed:
        reason = f"It was tried again, and {failed} of {failed + tally.succeeded} attempts failed."
        return _reopen(connection, version, Finding(client, reason), options)
    run(connection, _COUNT, {"version": version, "client": client, "succeeded": tally.succeeded})
    values = {"version": version, "client": client, "reason": "It was tried again, and its jobs succeeded."}
    return _change(connection, _CLOSE, CircuitState.CLOSED, values)


def let_go(connection: sa.Connection, *, version: int, client: int = EVERY_CLIENT, most: int) -> None:
    """Make up to `most` held jobs due; the others become due when their hold is over."""
    values = {"version": version, "client": client, "every_client": EVERY_CLIENT, "most": most}
    run(connection, _LET_GO, values | {"slow": SLOW_ENDING})


def _reopen(
    connection: sa.Connection, version: int, finding: Finding, options: BreakerOptions
) -> list[Changed]:
    if not run(connection, _LOCK_HALF_OPEN, {"version": version, "client": finding.client}):
        return []
    return open_circuit(connection, version=version, finding=finding, options=options)


def _change(
    connection: sa.Connection, statement: Statement[Changed], state: CircuitState, values: dict[str, Any]
) -> list[Changed]:
    event = {"kind": AuditKind.CIRCUIT, "actor": BREAKER, "now": state}
    return run(connection, statement, {**values, **event})
