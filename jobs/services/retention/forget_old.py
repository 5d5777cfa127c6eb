"""Delete what has been kept for long enough, table by table along its key, a page a transaction.

Each table is read once. Where a run is broken off, the next one begins again; what has gone costs it nothing.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from django.conf import settings

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.ids import first_id_at
from jobs.core.retention.policy import DAY_MS
from jobs.core.states import TERMINAL
from jobs.db import database_clock
from jobs.db.session import open_session, transaction
from jobs.db.session_settings import Use
from jobs.db.statement import Statement, run
from jobs.services.access.audit import note_in
from jobs.services.retention.old_steps import FORGET_STEPS

PAGE = 2_000
_START = {"uuid": str(UUID(int=0)), "bigint": "0", "text": ""}


class _Page(NamedTuple):
    """The last key of a page, None after the last page; and how many rows of it went."""

    upto: str | None
    rows: int


class _Rule(NamedTuple):
    """Rows of one table that go after the days of a setting, or where it is empty after one; 0 keeps them."""

    kind: str
    setting: str
    page: Statement[_Page]
    key: str = "uuid"


def _delete(
    table: LiteralString, old: LiteralString, key: LiteralString = "id", type_: LiteralString = "uuid"
) -> Statement[_Page]:
    return Statement(
        f"""
WITH page AS MATERIALIZED (
  SELECT {key} AS key FROM {table} WHERE {key} > %(after)s::text::{type_} ORDER BY {key} LIMIT %(most)s
), gone AS (
  DELETE FROM {table} AS old USING page WHERE old.{key} = page.key AND ({old}) RETURNING 1
)
SELECT (SELECT key::text FROM page ORDER BY key DESC LIMIT 1) AS upto, (SELECT count(*) FROM gone) AS rows
""",  # noqa: S608  # built from our own constants
        _Page,
    )


def _older(column: LiteralString) -> LiteralString:
    return f"old.{column} < now() - make_interval(days => %(days)s)"


# What belongs to a live roll-out stays, however long that takes.
_NO_ROLLOUT: LiteralString = """
NOT EXISTS (SELECT FROM models_registry_rollout live WHERE live.id = old.rollout AND live.ended_at IS NULL)
"""
_NO_WORKER: LiteralString = (
    "NOT EXISTS (SELECT FROM jobs_worker worker WHERE worker.node = old.node AND worker.ended_at IS NULL)"
)
_FORGET_KEYS = Statement(
    """
WITH page AS MATERIALIZED (
  SELECT id FROM jobs_job
  WHERE id > %(after)s::text::uuid AND id < %(end)s AND idempotency_key IS NOT NULL ORDER BY id LIMIT %(most)s
), old AS (
  SELECT id FROM jobs_job JOIN page USING (id)
  WHERE finished_at < now() - make_interval(days => %(days)s) ORDER BY id FOR UPDATE SKIP LOCKED
), gone AS (
  UPDATE jobs_job job SET idempotency_key = NULL, request_digest = NULL FROM old WHERE job.id = old.id
  RETURNING 1
)
SELECT (SELECT id::text FROM page ORDER BY id DESC LIMIT 1) AS upto, (SELECT count(*) FROM gone) AS rows
""",
    _Page,
)
_RULES: Final = (
    _Rule(
        "dead letters",
        "dead_letters_days",
        _delete("jobs_deadletter", _older("created_at"), "job_id"),
    ),
    _Rule(
        "replays",
        "dead_letters_days",
        _delete("jobs_canaryreplay", _older("ended_at"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "deliveries",
        "deliveries_days",
        _delete("jobs_delivery", _older("finished_at"), "job_id"),
    ),
    _Rule(
        "disabled addresses",
        "deliveries_days",
        _delete("jobs_disabledendpoint", _older("since"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "messages of attempts",
        "attempts_days",
        _delete("jobs_attemptmessage", _older("at"), "event_id", "bigint"),
        "bigint",
    ),
    _Rule("idempotency keys", "keys_days", _FORGET_KEYS),
    _Rule("batches", "ledger_days", _delete("jobs_batch", _older("finished_at"))),
    _Rule(
        "orders to workers",
        "ledger_days",
        _delete("jobs_modelorder", _older("ordered_at"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "outages",
        "ledger_days",
        _delete("jobs_outage", _older("until"), type_="bigint"),
        "bigint",
    ),
    _Rule("workers", "ledger_days", _delete("jobs_worker", _older("ended_at"))),
    _Rule(
        "autoscalers",
        "ledger_days",
        _delete("jobs_autoscaler", _older("heartbeat_at"), "host", "text"),
        "text",
    ),
    _Rule(
        "loads of workers that are gone",
        "ledger_days",
        _delete("models_registry_versionload", f"{_older('since')} AND {_NO_WORKER}", type_="bigint"),
        "bigint",
    ),
    _Rule(
        "fields of metadata",
        "",
        _delete("jobs_joblabel", "old.expires_at < now()", type_="bigint"),
        "bigint",
    ),
    _Rule("answers of earlier steps", "", Statement(FORGET_STEPS, _Page), "bigint"),
    _Rule(
        "acts on many jobs",
        "ledger_days",
        _delete("jobs_bulkact", _older("ended_at"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "tallies without a roll-out",
        "",
        _delete("jobs_tally", f"old.at < now() - interval '1 hour' AND {_NO_ROLLOUT}", type_="bigint"),
        "bigint",
    ),
    _Rule(
        "evidence",
        "ledger_days",
        _delete("jobs_evidence", f"{_older('at')} AND {_NO_ROLLOUT}", "rollout", "bigint"),
        "bigint",
    ),
    _Rule(
        "curves of roll-outs",
        "ledger_days",
        _delete("jobs_rolloutpoint", f"{_older('at')} AND {_NO_ROLLOUT}", type_="bigint"),
        "bigint",
    ),
    _Rule(
        "keys that failed in roll-outs",
        "ledger_days",
        _delete("jobs_failedkey", f"{_older('at')} AND {_NO_ROLLOUT}", type_="bigint"),
        "bigint",
    ),
    _Rule(
        "trials of versions",
        "ledger_days",
        _delete("jobs_trial", _older("ended_at"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "shadows of rules",
        "ledger_days",
        _delete("jobs_shadow", f"{_older('changed_at')} AND old.state = 'ended'", "rule", "bigint"),
        "bigint",
    ),
    _Rule(
        "samples of jobs",
        "ledger_days",
        _delete("jobs_driftsketch", _older("hour"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "drift by hour",
        "ledger_days",
        _delete("jobs_drifthour", _older("hour"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "alarms of drift",
        "ledger_days",
        _delete("jobs_driftalarm", _older("hour"), type_="bigint"),
        "bigint",
    ),
    _Rule("receipts", "jobs_days", _delete("jobs_erasure", _older("finished_at"))),
    _Rule(
        "the admin's log",
        "events_days",
        _delete("django_admin_log", _older("action_time"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "logins",
        "ledger_days",
        _delete("axes_accesslog", _older("attempt_time"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "refused logins",
        "ledger_days",
        _delete("axes_accessfailurelog", _older("attempt_time"), type_="bigint"),
        "bigint",
    ),
    _Rule(
        "sessions",
        "",
        _delete("django_session", _older("expire_date"), "session_key", "text"),
        "text",
    ),
    _Rule(
        "secrets of webhooks",
        "",
        _delete("jobs_webhooksecret", _older("expires_at"), type_="bigint"),
        "bigint",
    ),
)


class _JobPage(NamedTuple):
    id: UUID
    is_old: bool


_JOBS = Statement(
    """
SELECT id, state = ANY(%(ended)s::text[])
  AND finished_at < now() - make_interval(days => GREATEST(%(days)s, keep_days))
  AND NOT EXISTS (SELECT FROM jobs_deadletter WHERE job_id = id) AS is_old
FROM jobs_job WHERE id > %(after)s AND id < %(end)s ORDER BY id LIMIT %(most)s
""",
    _JobPage,
)
_LOCK_JOBS = Statement(
    """
SELECT id FROM jobs_job WHERE id = ANY(%(jobs)s::uuid[]) AND state = ANY(%(ended)s::text[])
  AND finished_at < now() - make_interval(days => %(days)s)
ORDER BY id FOR UPDATE SKIP LOCKED
""",
    UUID,
)
_OF_A_JOB: Final[tuple[LiteralString, ...]] = (
    "jobs_jobinput", "jobs_jobresult", "jobs_delivery", "jobs_subject", "jobs_cacheentry",
    "jobs_attemptmessage", "jobs_joblabel", "jobs_route", "jobs_feedback", "jobs_step", "jobs_shadowcopy",
)  # fmt: skip
_SIDE_ROWS: Final[tuple[Statement[None], ...]] = tuple(
    Statement(f"DELETE FROM {table} WHERE job_id = ANY(%(jobs)s::uuid[])")  # noqa: S608
    for table in _OF_A_JOB
)
_DELETE_JOBS: Statement[None] = Statement("DELETE FROM jobs_job WHERE id = ANY(%(jobs)s::uuid[])")


def forget_old(*, actor: str) -> dict[str, int]:
    """Delete all rows whose time is over, by the settings; return how many of each kind went."""
    config = settings.INFERENCE
    now_ms = int(database_clock.read_now().timestamp() * 1_000)
    with closing(open_session(Use.WHOLE)) as session:
        counts = {
            rule.kind: _forget(session, rule, getattr(config, rule.setting, 1), now_ms) for rule in _RULES
        }
        counts["jobs"] = _forget_jobs(session, config.jobs_days, now_ms)
        gone = {kind: rows for kind, rows in counts.items() if rows}
        if gone:
            note_in(session, AuditKind.FORGET, actor=actor, rows=gone)
    return counts


def _forget(session: sa.Connection, rule: _Rule, days: int, now_ms: int) -> int:
    after: str | None = _START[rule.key]
    total = 0
    while days and after is not None:
        values = {"after": after, "most": PAGE, "days": days, "end": _edge(days, now_ms)}
        (page,) = run(session, rule.page, values)
        after, total = page.upto, total + page.rows
    return total


def _forget_jobs(session: sa.Connection, days: int, now_ms: int) -> int:
    after, total = UUID(int=0), 0
    shared = {"most": PAGE, "days": days, "end": _edge(days, now_ms), "ended": sorted(TERMINAL)}
    while page := run(session, _JOBS, {"after": after, **shared}):
        after = page[-1].id
        if old := [job.id for job in page if job.is_old]:
            total += _delete_jobs(session, old, days)
    return total


def _delete_jobs(session: sa.Connection, old: list[UUID], days: int) -> int:
    with transaction(session):
        jobs = run(session, _LOCK_JOBS, {"jobs": old, "days": days, "ended": sorted(TERMINAL)})
        for statement in (*_SIDE_ROWS, _DELETE_JOBS):
            run(session, statement, {"jobs": jobs})
    return len(jobs)


def _edge(days: int, now_ms: int) -> UUID:
    """Return the smallest id of a job that can not have ended so long ago: ids grow with time."""
    return first_id_at(max(0, now_ms - days * DAY_MS))
