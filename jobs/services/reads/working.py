"""Which relay and GPU workers of a host lately did their work, by what they keep writing into Postgres."""

from __future__ import annotations

from typing import NamedTuple

from jobs.db.leases import RELAY
from jobs.db.statement import Statement, fetch_all

BEAT_LATELY_S = 15


class RelayWork(NamedTuple):
    """Whether a host's relay renews its leases, and the models whose queues no live relay feeds."""

    renews: bool
    unfed: list[str]


class WorkerWork(NamedTuple):
    """A GPU worker that has not ended: is its heartbeat recent, what does it serve, what can it not load."""

    beats: bool
    served: list[str]
    failed: list[str]


_RELAY: Statement[RelayWork] = Statement(
    """
WITH live AS MATERIALIZED (
  SELECT id, label FROM jobs_leaseholder WHERE office = %(office)s AND expires_at > clock_timestamp()
)
SELECT EXISTS (SELECT FROM live WHERE starts_with(label, %(of_host)s)) AS renews,
  ARRAY(
    SELECT name::text FROM models_registry_registeredmodel AS model WHERE NOT EXISTS (
      SELECT FROM jobs_lease AS lease JOIN live ON live.id = lease.holder
      WHERE lease.name = 'queue:' || model.name
    ) ORDER BY name
  ) AS unfed
""",
    RelayWork,
)
_WORKER: Statement[WorkerWork] = Statement(
    """
SELECT heartbeat_at > now() - make_interval(secs => %(lately_s)s) AS beats, model_names::text[] AS served,
  ARRAY(
    SELECT model.name || ':' || version.version || ': ' || failure.reason
    FROM models_registry_versionload AS failure
    JOIN models_registry_modelversion AS version ON version.id = failure.version_id
    JOIN models_registry_registeredmodel AS model ON model.id = version.model_id
    WHERE failure.node = worker.node AND failure.reason <> '' ORDER BY 1
  ) AS failed
FROM jobs_worker AS worker WHERE node = %(node)s AND ended_at IS NULL ORDER BY started_at DESC LIMIT 1
""",
    WorkerWork,
)


def relay_work(host: str) -> RelayWork:
    """Return what the relays of a host do."""
    (work,) = fetch_all(_RELAY, {"office": RELAY, "of_host": f"{RELAY}@{host}:"})
    return work


def worker_work(node: str) -> WorkerWork | None:
    """Return what the worker with this node name does; None where it has not started, or has ended."""
    return next(iter(fetch_all(_WORKER, {"node": node, "lately_s": BEAT_LATELY_S})), None)
