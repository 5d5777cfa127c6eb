"""The live workers, what each holds in memory, and which of them lack a version."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from jobs.db.statement import Statement, fetch_all
from models_registry.services.alias_moves import WorkerWithout

LIVE_S = 15


class WorkerState(NamedTuple):
    """A live worker as the API shows it; `versions` are JSON objects."""

    id: UUID
    node: str
    host: str
    zone: str | None
    device: str
    device_uuid: str | None
    models: list[str]
    lanes: int | None
    lane: str | None
    started_at: datetime
    heartbeat_at: datetime
    versions: list[dict[str, Any]]


_WITHOUT = Statement(
    """
SELECT worker.node, load.state, load.reason, load.tried_at
FROM jobs_worker AS worker
LEFT JOIN models_registry_versionload AS load ON load.node = worker.node AND load.version_id = %(version)s
WHERE worker.ended_at IS NULL AND worker.heartbeat_at > now() - make_interval(secs => %(live_s)s)
  AND %(model)s = ANY(worker.model_names::text[]) AND load.state IS DISTINCT FROM 'ready'
ORDER BY worker.node
""",
    WorkerWithout,
)
_WORKERS = Statement(
    """
SELECT worker.id, worker.node, worker.host, NULLIF(worker.zone, '') AS zone, worker.device,
  NULLIF(worker.device_uuid, '') AS device_uuid,
  worker.model_names::text[] AS models, worker.lanes, NULLIF(worker.lane, '') AS lane,
  worker.started_at, worker.heartbeat_at,
  COALESCE((
    SELECT jsonb_agg(jsonb_build_object(
      'model', model.name, 'version', version.version, 'state', load.state, 'since', load.since,
      'load_s', load.load_s, 'memory_bytes', load.memory_bytes, 'failed_loads', load.tries,
      'last_error', NULLIF(load.reason, '')
    ) ORDER BY model.name, version.id)
    FROM models_registry_versionload AS load
    JOIN models_registry_modelversion AS version ON version.id = load.version_id
    JOIN models_registry_registeredmodel AS model ON model.id = version.model_id
    WHERE load.node = worker.node
  ), '[]'::jsonb) AS versions
FROM jobs_worker AS worker
WHERE worker.ended_at IS NULL AND worker.heartbeat_at > now() - make_interval(secs => %(live_s)s)
ORDER BY worker.node
""",
    WorkerState,
)


def workers_without(*, model: str, version: int, **_: Any) -> list[WorkerWithout]:
    """Return the live workers that serve the model and have not loaded the version."""
    return fetch_all(_WITHOUT, {"model": model, "version": version, "live_s": LIVE_S})


def live_workers() -> list[WorkerState]:
    """Return the workers that beat lately, with what each holds, loads or could not load."""
    return fetch_all(_WORKERS, {"live_s": LIVE_S})
