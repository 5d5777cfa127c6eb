"""What the live page shows of this moment: small tables, or parts of larger ones that an index bounds."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from jobs.core.operations.operations_history import HistoryPoint
from jobs.db.statement import Statement

MOST_WORKERS = 500
MOST_CLIENTS = 20
MOST_HOLDS = 100


class RecentRow(NamedTuple):
    """The database's time, and the recorder's last minute; None where nothing was ever recorded."""

    now: float
    recent: bytes | None


class StepRow(NamedTuple):
    """A model's last second on record; the empty model is all together."""

    queue: str
    at: int
    in_per_s: float | None
    out_per_s: float | None
    waiting: int | None
    oldest_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    batch_size: float | None
    failed_per_s: float | None
    workers: int | None

    @property
    def point(self) -> HistoryPoint:
        """Return it as a point of the history."""
        values = self._asdict()
        values.pop("queue")
        return HistoryPoint(**values)


class WorkerRow(NamedTuple):
    """A worker that has not ended."""

    id: UUID
    node: str
    host: str
    zone: str
    device: str
    models: list[str]
    beat_s: float
    since: float
    lanes: int | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    lane: str = ""


class OpenBatches(NamedTuple):
    """Open batches of a worker for a model, and the jobs in them."""

    worker: UUID
    model: str
    batches: int
    jobs: int


class LoadRow(NamedTuple):
    """A version that a live worker holds, loads, or cannot load for `reason`."""

    node: str
    version: str
    model: str
    state: str
    memory_bytes: int | None
    reason: str
    since: float


class RelayRow(NamedTuple):
    """A relay's holder of leases, and the queues it feeds."""

    label: str
    left_s: float
    queues: list[str]


class HeldVersion(NamedTuple):
    """A circuit that is not closed; `client` is empty where it holds all clients' jobs."""

    id: int
    version: str
    model: str
    client: str
    state: str
    reason: str
    since: float
    by: str | None  # who opened it by hand


class PauseRow(NamedTuple):
    """What a person paused."""

    kind: str
    name: str
    reason: str
    actor: str
    since: float


class RolloutRow(NamedTuple):
    """A roll-out that is held, or that was rolled back within the last hour."""

    id: int
    model: str
    alias: str
    candidate: str
    state: str
    hold: str
    sentence: str
    since: float


class OutageRow(NamedTuple):
    """What is away now."""

    kind: str
    model: str
    since: float


class ClientRow(NamedTuple):
    """A client and how many of its jobs wait, as far as it is among the largest."""

    id: int
    name: str
    waiting: int


RECENT = Statement(
    """
SELECT extract(epoch FROM clock_timestamp())::float8 AS now,
  (SELECT body FROM jobs_operationsrecent WHERE id = 1) AS recent
""",
    RecentRow,
)
STEPS = Statement(
    """
SELECT queue, at, in_per_s, out_per_s, waiting, oldest_s, p50_s, p95_s, p99_s, batch_size, failed_per_s,
  workers
FROM jobs_operationsstep WHERE step_s = 1 AND at = %(at)s
""",
    StepRow,
)
WORKERS = Statement(
    """
SELECT id, node, host, zone, device, model_names::text[] AS models,
  extract(epoch FROM now() - heartbeat_at)::float8 AS beat_s,
  extract(epoch FROM started_at)::float8 AS since, lanes, memory_used_bytes, memory_total_bytes, lane
FROM jobs_worker WHERE ended_at IS NULL ORDER BY node LIMIT %(most)s
""",
    WorkerRow,
)
IN_FLIGHT = Statement(
    """
SELECT worker_id AS worker, model.name AS model, count(*) AS batches, sum(size) AS jobs
FROM jobs_batch batch
JOIN models_registry_modelversion version ON version.id = batch.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
WHERE finished_at IS NULL AND worker_id = ANY(%(workers)s::uuid[]) GROUP BY worker_id, model.name
""",
    OpenBatches,
)
LOADS = Statement(
    """
SELECT load.node, model.name || ':' || version.version AS version, model.name AS model, load.state,
  load.memory_bytes, load.reason, extract(epoch FROM load.since)::float8 AS since
FROM models_registry_versionload load
JOIN models_registry_modelversion version ON version.id = load.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
WHERE load.node = ANY(%(nodes)s::text[]) ORDER BY load.node, version LIMIT %(most)s
""",
    LoadRow,
)
RELAYS = Statement(
    """
SELECT label, extract(epoch FROM expires_at - clock_timestamp())::float8 AS left_s,
  ARRAY(
    SELECT substr(name, 7) FROM jobs_lease WHERE holder = holds.id AND name LIKE 'queue:%%' ORDER BY name
  )::text[] AS queues
FROM jobs_leaseholder AS holds WHERE office = %(office)s ORDER BY label
""",
    RelayRow,
)
# The event of an opening is written right after it; a circuit that only a person closes was opened by one.
CIRCUITS = Statement(
    """
SELECT circuit.id, model.name || ':' || version.version AS version, model.name AS model,
  COALESCE(client.name, '') AS client, circuit.state, circuit.reason,
  extract(epoch FROM circuit.since)::float8 AS since,
  CASE WHEN circuit.retry_at IS NULL THEN COALESCE(opening.actor, 'an operator') END AS by
FROM jobs_circuit circuit
LEFT JOIN LATERAL (
  SELECT actor FROM jobs_event WHERE kind = 'circuit' AND detail->>'version' = circuit.version_id::text
    AND at >= circuit.since AND detail->>'state' = 'open' AND detail->>'client' = circuit.client::text
  ORDER BY at LIMIT 1
) AS opening ON circuit.retry_at IS NULL
JOIN models_registry_modelversion version ON version.id = circuit.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
LEFT JOIN jobs_client client ON client.id = circuit.client
WHERE circuit.state <> 'closed' ORDER BY circuit.since DESC LIMIT %(most)s
""",
    HeldVersion,
)
PAUSES = Statement(
    """
SELECT kind, name, reason, actor, extract(epoch FROM since)::float8 AS since
FROM jobs_workpause ORDER BY id DESC LIMIT %(most)s
""",
    PauseRow,
)
ROLLOUTS = Statement(
    """
SELECT rollout.id, model.name AS model, rollout.alias, candidate.version AS candidate, rollout.state,
  rollout.hold, rollout.sentence, extract(epoch FROM rollout.state_since)::float8 AS since
FROM models_registry_rollout rollout
JOIN models_registry_registeredmodel model ON model.id = rollout.model_id
JOIN models_registry_modelversion candidate ON candidate.id = rollout.candidate_id
WHERE rollout.state = 'held'
  OR (rollout.state = 'rolled_back' AND rollout.state_since > now() - interval '1 hour')
ORDER BY rollout.state_since DESC LIMIT %(most)s
""",
    RolloutRow,
)
# Who waits for something writes it again each second.
OUTAGES = Statement(
    """
SELECT kind, model, extract(epoch FROM began_at)::float8 AS since
FROM jobs_outage WHERE until > now() - interval '5 seconds' ORDER BY until DESC LIMIT %(most)s
""",
    OutageRow,
)
CLIENTS = Statement(
    """
WITH waiting AS (
  SELECT each.key::bigint AS id, sum(each.value::integer)::integer AS waiting
  FROM jobs_queuestanding CROSS JOIN LATERAL jsonb_array_elements(by_client) AS level(clients)
  CROSS JOIN LATERAL jsonb_each_text(level.clients) AS each
  GROUP BY each.key ORDER BY 2 DESC LIMIT %(most)s
)
SELECT client.id, client.name, COALESCE(waiting.waiting, 0) AS waiting
FROM jobs_client client LEFT JOIN waiting ON waiting.id = client.id
WHERE client.id = ANY(ARRAY(SELECT id FROM waiting) || %(ended)s::bigint[])
""",
    ClientRow,
)
