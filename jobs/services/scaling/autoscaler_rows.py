"""One autoscaler's row, and the look by which it decides; all autoscalers of a group look one by one.

No figure is trusted that is old: without a recent survey nothing is started or stopped, but that a host keeps
the fewest workers that it is to have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from jobs.core.queue_names import queues_of
from jobs.core.scaling.host_share import ScaledHost, shares
from jobs.core.scaling.scale_reason import BLIND, ScaleGround
from jobs.core.scaling.workers_wanted import whole
from jobs.db.session import transaction
from jobs.db.statement import Statement, run

LIVE_S = 15.0  # an autoscaler or worker without a heartbeat for longer counts as gone
FRESH_S = 10.0  # an older survey says nothing of what is needed

_ENTER = Statement("""
INSERT INTO jobs_autoscaler AS own (host, pid, zone, model_names, nodes, min_workers, max_workers, target,
  target_before)
VALUES (%(host)s, %(pid)s, %(zone)s, %(models)s::text[], %(nodes)s::text[], %(lowest)s, %(highest)s,
  %(running)s, %(running)s)
ON CONFLICT (host) DO UPDATE SET pid = EXCLUDED.pid, zone = EXCLUDED.zone,
  model_names = EXCLUDED.model_names, nodes = EXCLUDED.nodes, min_workers = EXCLUDED.min_workers,
  max_workers = EXCLUDED.max_workers, target = EXCLUDED.target, target_before = EXCLUDED.target_before,
  decided_at = now(), starting_since = NULL, started_at = now(), heartbeat_at = now(), ended_at = NULL
""")
_LEAVE = Statement("UPDATE jobs_autoscaler SET ended_at = now(), target = 0 WHERE host = %(host)s")
# Models are stored in the order of their names, so equal groups have equal rows. The lock, in the order of
# the hosts, makes the autoscalers of a group decide one after the other.
_HOSTS = Statement(
    """
SELECT host, min_workers AS lowest, max_workers AS highest, target FROM jobs_autoscaler
WHERE model_names = %(models)s::text[]::varchar[] AND ended_at IS NULL
  AND (heartbeat_at > now() - make_interval(secs => %(live_s)s) OR host = %(host)s)
ORDER BY host FOR UPDATE
""",
    ScaledHost,
)


class _Need(NamedTuple):
    load: float | None
    age_s: float | None


_NEED = Statement(
    """
SELECT sum(workers_load)::float8 AS load,
  extract(epoch FROM now() - min(counted_at))::float8 AS age_s
FROM jobs_queuestanding WHERE queue = ANY(%(queues)s::text[])
HAVING count(workers_load) FILTER (WHERE queue = ANY(%(models)s::text[])) = cardinality(%(models)s::text[])
""",
    _Need,
)


class LiveWorker(NamedTuple):
    """A live worker: whether it is of this host, in an autoscaler's place, and serves the whole group."""

    node: str
    pid: int
    here: bool
    scaled: bool
    serves: bool
    busy: bool


_WORKERS = Statement(
    """
SELECT worker.node, worker.pid, worker.host = %(host)s AS here,
  EXISTS (
    SELECT FROM jobs_autoscaler AS other WHERE worker.node = ANY(other.nodes) AND other.ended_at IS NULL
      AND other.heartbeat_at > now() - make_interval(secs => %(live_s)s)) AS scaled,
  ARRAY(SELECT split_part(split_part(name, ':', 1), '@', 1) FROM unnest(worker.model_names) AS name)
    @> %(models)s::text[] AS serves,
  EXISTS (SELECT FROM jobs_batch WHERE worker_id = worker.id AND finished_at IS NULL) AS busy
FROM jobs_worker AS worker
WHERE ended_at IS NULL AND heartbeat_at > now() - make_interval(secs => %(live_s)s)
""",
    LiveWorker,
)
_PUBLISH = Statement("""
UPDATE jobs_autoscaler SET heartbeat_at = now(), max_workers = %(highest)s, target = %(target)s,
  target_before = CASE WHEN target = %(target)s THEN target_before ELSE target END,
  decided_at = CASE WHEN target = %(target)s THEN decided_at ELSE now() END, decision = %(decision)s,
  serving = %(serving)s, starting = %(starting)s, draining = %(draining)s, deaths = %(deaths)s,
  paused_until = now() + make_interval(secs => %(pause_s)s::float8),
  start_s = COALESCE(%(start_s)s::float8, start_s),
  starting_since = now() - make_interval(secs => %(starting_s)s::float8)
WHERE host = %(host)s AND pid = %(pid)s AND ended_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class ScaledGroup:
    """The models of an autoscaler, its host and process, and the node names of its places for workers."""

    host: str
    pid: int
    models: tuple[str, ...]
    nodes: tuple[str, ...]
    lowest: int
    highest: int
    zone: str = ""


@dataclass(frozen=True, slots=True)
class HostState:
    """The usable places of a host, and its workers: those that run, and for how long the oldest starts.

    `starting` of the running ones do not serve yet; `draining` ones are to end. After `deaths` in a row
    nothing starts for `pause_s` seconds.
    """

    usable: int
    running: int
    start_s: float | None = None
    starting_s: float | None = None
    starting: int = 0
    draining: int = 0
    deaths: int = 0
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class ScaleLook:
    """What an autoscaler read and decided: `needed` of the whole group is None without a recent survey."""

    needed: int | None
    target: int
    workers: Sequence[LiveWorker]


def enter(session: sa.Connection, group: ScaledGroup, *, running: int) -> None:
    """Store this host's autoscaler, which has adopted `running` workers."""
    values = {"host": group.host, "pid": group.pid, "zone": group.zone, "nodes": list(group.nodes)}
    bounds = {"lowest": group.lowest, "highest": group.highest, "running": running}
    run(session, _ENTER, {**values, **bounds, "models": sorted(group.models)})


def leave(session: sa.Connection, group: ScaledGroup) -> None:
    """Note the end of this host's autoscaler: the others take over its share."""
    run(session, _LEAVE, {"host": group.host})


def look(
    session: sa.Connection, group: ScaledGroup, state: Callable[[Sequence[LiveWorker]], HostState]
) -> ScaleLook:
    """Decide how many workers this host is to have, and store that for the other hosts.

    `state` says what the host has, by the live workers.
    """
    values = {"host": group.host, "models": sorted(group.models), "live_s": LIVE_S}
    with transaction(session):
        hosts = run(session, _HOSTS, values)
        workers, needed = run(session, _WORKERS, values), _needed(session, group)
        own = state(workers)
        highest = min(group.highest, own.usable)
        if not any(row.host == group.host for row in hosts):  # it was deleted or ended
            enter(session, group, running=own.running)
            hosts = [*hosts, ScaledHost(group.host, group.lowest, group.highest, own.running)]
        target, decision = max(own.running, min(group.lowest, highest)), BLIND
        if needed is not None:
            unscaled = sum(worker.serves and not worker.scaled for worker in workers)
            ground = _ground(group, own, hosts, needed, unscaled)
            target, decision = ground.target, ground.reason
        published = {"host": group.host, "pid": group.pid, "highest": highest, "target": target}
        run(session, _PUBLISH, {**published, "decision": decision, **_values(own)})
    return ScaleLook(needed, target, workers)


def _ground(
    group: ScaledGroup, own: HostState, hosts: Sequence[ScaledHost], needed: int, unscaled: int
) -> ScaleGround:
    """Share out what is needed beyond the `unscaled` workers; return this host's part and its ground."""
    highest = min(group.highest, own.usable)
    now = ScaledHost(group.host, group.lowest, highest, _target(hosts, group.host))
    rows = [now if row.host == group.host else row for row in hosts]
    numbers = shares(max(0, needed - unscaled), rows)
    return ScaleGround(
        needed=needed,
        unscaled=unscaled,
        hosts=len(rows),
        total=sum(numbers.values()),
        lowest=group.lowest,
        highest=group.highest,
        usable=own.usable,
        target=numbers[group.host],
    )


def _values(state: HostState) -> dict[str, Any]:
    times = {"start_s": state.start_s, "starting_s": state.starting_s, "pause_s": state.pause_s}
    serving = state.running - state.starting
    counts = {"serving": serving, "starting": state.starting, "draining": state.draining}
    return {**times, **counts, "deaths": state.deaths}


def _needed(session: sa.Connection, group: ScaledGroup) -> int | None:
    """Return how many workers the group needs; None where a model's count is missing or old."""
    queues = [queue for model in group.models for queue in queues_of(model)]  # its workers take both lanes
    for need in run(session, _NEED, {"models": list(group.models), "queues": queues}):
        if need.load is not None and need.age_s is not None and need.age_s <= FRESH_S:
            return whole(need.load)
    return None


def _target(hosts: Sequence[ScaledHost], host: str) -> int:
    return next((row.target for row in hosts if row.host == host), 0)
