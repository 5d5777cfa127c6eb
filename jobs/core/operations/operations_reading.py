"""One reading of the platform, as the live page of operators gets it once a second, in JSON by these names.

    GET /admin/operations/readings   server-sent events: `reading` each second, the `PageContent` of a Reading
    GET /admin/operations/reading    one Reading
    GET /admin/operations/history    one History, see `operations_history`

All ask for a session of the admin whose user has `jobs.view_operations`. Without a session the answer is the
admin's redirect to its login, without the permission 403. A stream whose session ends or whose user loses
the right gets `event: end` with `{"reason": "signed_out" | "forbidden"}` within seconds, and is closed. The
201st stream of a process gets 503 with Retry-After: an EventSource does not try again by itself then. Each
`reading` has the moment of its reading as id; missing ones are not sent again, the history has them.

Times are seconds; moments are seconds since 1970 by the database's clock. None is "unknown", never 0. No
payload, output or metadata of a job is in it, and each `href` leads to a page of the admin.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from jobs.core.operations.operations_history import HistoryPoint


class RedKind(StrEnum):
    """A kind of what is red; the order is that of the page."""

    DATABASE = "database"  # does not answer: everything else is as old as `age_s` says
    BROKER = "broker"  # the relay or a worker cannot reach it
    RELAY = "relay"  # a model's queue is fed by none
    STALE_COUNT = "stale_count"  # no surveyor counts what waits
    NO_RECORDER = "no_recorder"  # no process records the history
    NO_WORKER = "no_worker"  # jobs wait for a model that no live worker serves
    SILENT_WORKER = "silent_worker"  # a worker without a heartbeat that has not ended
    CIRCUIT = "circuit"  # open or half open
    LOAD_FAILED = "load_failed"  # a worker cannot load a version
    ROLLOUT = "rollout"  # is held, or was rolled back within the last hour
    PAUSED = "paused"  # held by a person
    GOAL_MISSED = "goal_missed"  # fewer than 95 % of a model's jobs ended within its goal
    DEAD_LETTERS = "dead_letters"  # a group of dead letters with one fingerprint


class Severity(StrEnum):
    """Whether somebody must act, or a person has decided it so."""

    RED = "red"
    AMBER = "amber"


class Red(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that stands on top of the page: a sentence, and where to act on it."""

    kind: RedKind
    severity: Severity
    text: str
    href: str
    model: str | None = None
    client: str | None = None
    count: int | None = None  # of dead letters, jobs that wait, or workers
    since: float | None = None  # the moment when it began, or of the group's first death
    last: float | None = None  # of a group: the moment of its last death
    by: str | None = None  # who paused it, or opened the circuit by hand
    fingerprint: str | None = None


class PartReading(msgspec.Struct, frozen=True, kw_only=True):
    """How old what was read of something is; `ok` where it does its work."""

    ok: bool
    age_s: float | None  # None: never read
    text: str  # one sentence for people, such as "2 relays feed 3 queues."


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of jobs that succeeded within the window, right within 5 %; None where none did."""

    count: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None


class FailureReading(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of a model that look alike, the most numerous first."""

    kind: str
    fingerprint: str
    count: int
    first: float
    last: float
    href: str


class ModelReading(msgspec.Struct, frozen=True, kw_only=True):
    """One model within the window; `stages` by name, `outbox` to `settle`, in the order of the road."""

    model: str
    href: str
    waiting_href: str  # the list of its jobs that wait
    total: Percentiles  # from the job's creation until its end is committed
    stages: dict[str, Percentiles]
    goal_s: float | None
    goal_met: float | None  # the share of jobs that ended within the goal, 0 to 1
    in_per_s: float | None
    out_per_s: float | None
    capacity_per_s: float | None  # what its workers could finish
    waiting: list[int]  # by API priority, 0 to 9
    oldest_s: list[float]  # by priority: for how long its first job has waited
    wait_s: float | None  # estimate for a job that comes now; None: unknown, or no worker
    workers_busy: int | None
    workers_idle: int | None
    workers_silent: int | None
    workers_wanted: int | None
    lanes: int | None  # of its live workers, which they may share with other models
    batches: int  # in flight
    batch_jobs: int  # jobs in them
    batch_size: float | None  # mean of the batches that ended within the window
    padding: float | None  # the share of padded size that was padding, 0 to 1; None: the model does not pad
    seals: dict[str, int]  # batches by seal reason, within the window
    retries: int  # attempts within the window that failed and were not the last
    died: int  # jobs that died within the window
    held: str | None  # why its jobs are held: the reason of its pause or its circuit
    failures: list[FailureReading]  # five at most
    dead_letters: int | None  # all of them, at the last count
    newest: HistoryPoint | None  # the last second on record, to append to a chart


class ClientReading(msgspec.Struct, frozen=True, kw_only=True):
    """A client that has jobs waiting or ended some within the window; the twenty busiest."""

    client: str
    href: str
    waiting: int
    out_per_s: float | None
    total: Percentiles


class LoadedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version in a worker, as `name:version`."""

    version: str
    state: str  # loading, ready or failed, as the registry's pages show it
    memory_bytes: int | None


class WorkerReading(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that has not ended."""

    node: str
    href: str
    host: str
    zone: str  # empty where its setting ZONE is
    device: str
    models: list[str]
    alive: bool
    heartbeat_age_s: float
    since: float
    lanes: int | None
    lane: str  # whose jobs alone it takes, `fast` or `slow`; empty: both
    batches: int  # in flight
    batch_jobs: int
    out_per_s: float | None
    total: Percentiles  # of the jobs that it ended within the window
    loaded: list[LoadedVersion]
    memory_used_bytes: int | None  # of the device, at the heartbeat; None where it does not say, or on a CPU
    memory_total_bytes: int | None


class RelayReading(msgspec.Struct, frozen=True, kw_only=True):
    """A relay process, and the queues that it feeds."""

    label: str  # relay@host:pid
    alive: bool
    queues: list[str]
    left_s: float  # seconds until its leases end, unless it renews them


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the live page; while the database does not answer `age_s` grows and all else stays."""

    at: float  # the moment of the reading
    age_s: float
    window_s: float  # percentiles, rates and counts are of so many seconds before `at`
    red: list[Red]
    newest: HistoryPoint | None  # all models together: the last second on record
    models: list[ModelReading]  # by name
    clients: list[ClientReading]  # the busiest first
    workers: list[WorkerReading]  # by node
    relays: list[RelayReading]
    parts: dict[str, PartReading]  # database, broker, relay, survey, history: by these names
    watchers: int  # pages that watch this process
