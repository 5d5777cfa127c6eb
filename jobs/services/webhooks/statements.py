"""Webhooks to be sent: armed once their job has ended, and taken again and again until an attempt is made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.broker.webhook_task import WebhookAttempt
from jobs.core.states import TERMINAL
from jobs.db.statement import Statement, run

LOST_S = 60.0  # a task that has not begun by then is sent again; this doubles with every time
_DOUBLINGS = 6
SHARE = 64
HOLD_S = 15.0  # longer than one send takes: connect, and write a window of messages until its confirms


# A row that is locked is armed by a later look: it must not keep all others waiting.
def _arm(jobs: LiteralString) -> LiteralString:
    return f"""
UPDATE jobs_delivery delivery SET due = now(), epoch = job.epoch
FROM jobs_job job
WHERE delivery.job_id = job.id AND job.state = ANY(%(ended)s::text[]) AND delivery.job_id = ANY(ARRAY(
  SELECT job_id FROM jobs_delivery
  WHERE job_id IN ({jobs}) AND state = 'waiting' AND due IS NULL ORDER BY job_id FOR UPDATE SKIP LOCKED
))
"""  # noqa: S608  # built from constants of this file


_ARM_ENDED = Statement(
    _arm("""
  SELECT unnest(%(jobs)s::uuid[])
  UNION SELECT unnest(members) FROM jobs_batch WHERE id = ANY(%(batches)s::uuid[])
""")
)
_ARM_THESE = Statement(_arm("SELECT unnest(%(jobs)s::uuid[])"))
_ANY = Statement("SELECT EXISTS (SELECT FROM jobs_delivery WHERE state = 'waiting' AND due IS NULL)", bool)
_NOT_ENDED = Statement(
    """
SELECT job_id FROM jobs_delivery
WHERE state = 'waiting' AND due IS NULL AND job_id > %(after)s ORDER BY job_id LIMIT %(most)s
""",
    UUID,
)
# Owners are looked up one by one, because those with something due are few.
_OWNERS: LiteralString = """
WITH RECURSIVE owner AS (
  (SELECT client_id FROM jobs_delivery WHERE due IS NOT NULL ORDER BY client_id LIMIT 1)
  UNION ALL
  SELECT (SELECT client_id FROM jobs_delivery WHERE due IS NOT NULL AND client_id > owner.client_id
          ORDER BY client_id LIMIT 1)
  FROM owner WHERE owner.client_id IS NOT NULL
)
"""
# Clients take turns, each with so many tasks at once that have not begun: the rest waits here, and not before
# others' in the broker.
_TAKE = Statement(
    f"""{_OWNERS}
, chosen AS (
  SELECT row.job_id FROM owner CROSS JOIN LATERAL (
    SELECT job_id, due, row_number() OVER (ORDER BY due) AS turn FROM (
      SELECT job_id, due FROM jobs_delivery
      WHERE client_id = owner.client_id AND due >= to_timestamp(%(since_s)s::float8) AND due <= now()
      ORDER BY due LIMIT GREATEST(0, %(share)s - (
        SELECT count(*) FROM jobs_delivery WHERE client_id = owner.client_id AND sent > 0 AND due > now()))
    ) AS first
  ) AS row ORDER BY turn, due LIMIT %(most)s
), taken AS (
  SELECT job_id FROM jobs_delivery WHERE job_id = ANY(ARRAY(SELECT job_id FROM chosen)) AND due <= now()
  FOR UPDATE SKIP LOCKED
)
UPDATE jobs_delivery delivery SET due = now() + make_interval(secs => %(hold_s)s), sent = sent + 1
FROM taken WHERE delivery.job_id = taken.job_id
RETURNING delivery.job_id AS job, delivery.attempts AS attempts_before
""",  # noqa: S608  # built from a constant of this file
    WebhookAttempt,
)


class DueLook(NamedTuple):
    """Whether any webhook is due, at the database's time in seconds since 1970."""

    now_s: float
    due: bool


_DUE = Statement(
    f"""{_OWNERS}
SELECT extract(epoch FROM clock_timestamp())::float8 AS now_s, EXISTS (
  SELECT FROM owner CROSS JOIN LATERAL (
    SELECT FROM jobs_delivery
    WHERE client_id = owner.client_id AND due >= to_timestamp(%(since_s)s::float8) AND due <= now() LIMIT 1
  ) AS first
) AS due
""",  # noqa: S608
    DueLook,
)
_AT_SHARE = Statement(
    """
SELECT EXISTS (
  SELECT FROM jobs_delivery WHERE sent > 0 AND due > now() GROUP BY client_id HAVING count(*) >= %(share)s
)
""",
    bool,
)
# Another number of attempts means that the task has begun. A row that is locked stays as it was taken.
_THESE: LiteralString = """
WITH these AS (
  SELECT job_id FROM jobs_delivery JOIN unnest(%(jobs)s::uuid[], %(attempts)s::int[]) AS given(id, attempts)
    ON job_id = given.id AND jobs_delivery.attempts = given.attempts
  WHERE job_id = ANY(%(jobs)s::uuid[]) AND state = 'waiting' AND due IS NOT NULL
  ORDER BY job_id FOR UPDATE OF jobs_delivery SKIP LOCKED
)
"""
_COUNT_SENT: Statement[None] = Statement(
    _THESE
    + """
UPDATE jobs_delivery delivery
SET due = now() + make_interval(secs => %(lost_s)s * 2 ^ LEAST(GREATEST(sent - 1, 0), %(doublings)s))
FROM these WHERE delivery.job_id = these.job_id
"""
)
_GIVE_BACK: Statement[None] = Statement(
    _THESE
    + """
UPDATE jobs_delivery delivery
SET due = now() + make_interval(secs => %(delay_s)s), sent = GREATEST(sent - 1, 0)
FROM these WHERE delivery.job_id = these.job_id
"""
)


def any_waits(session: sa.Connection) -> bool:
    """Return whether the webhook of any job that has not ended waits."""
    (waits,) = run(session, _ANY)
    return waits


def arm(session: sa.Connection, *, jobs: Collection[UUID], batches: Collection[UUID]) -> None:
    """Make the webhooks due of those of `jobs` and of the members of `batches` that have ended."""
    run(session, _ARM_ENDED, {"jobs": list(jobs), "batches": list(batches), "ended": sorted(TERMINAL)})


def arm_next(session: sa.Connection, *, after: UUID, most: int) -> UUID | None:
    """Look at up to `most` webhooks of jobs beyond `after`; return the last job, None where none remains."""
    jobs = run(session, _NOT_ENDED, {"after": after, "most": most})
    if jobs:
        run(session, _ARM_THESE, {"jobs": jobs, "ended": sorted(TERMINAL)})
    return jobs[-1] if len(jobs) == most else None


def any_due(session: sa.Connection, *, since_s: float = 0.0) -> DueLook:
    """Return whether a webhook is due that was not due before `since_s`."""
    (look,) = run(session, _DUE, {"since_s": since_s})
    return look


def take(session: sa.Connection, most: int, *, since_s: float = 0.0) -> list[WebhookAttempt]:
    """Return up to `most` webhooks that are due, and hold them while their tasks are sent.

    None of them was due before `since_s`. A client gets no more while `SHARE` of its tasks have not begun.
    """
    return run(session, _TAKE, {"most": most, "since_s": since_s, "hold_s": HOLD_S, "share": SHARE})


def any_at_share(session: sa.Connection) -> bool:
    """Return whether some client has as many tasks as it may, so that it may have more webhooks due."""
    (at_share,) = run(session, _AT_SHARE, {"share": SHARE})
    return at_share


def count_sent(session: sa.Connection, sent: Sequence[WebhookAttempt]) -> None:
    """Postpone each webhook whose task was sent until that must have been lost."""
    if sent:
        run(session, _COUNT_SENT, {**_given(sent), "lost_s": LOST_S, "doublings": _DOUBLINGS})


def give_back(session: sa.Connection, unsent: Sequence[WebhookAttempt], *, delay_s: float) -> None:
    """Make webhooks due again after `delay_s`, because no task was sent for them."""
    if unsent:
        run(session, _GIVE_BACK, {**_given(unsent), "delay_s": delay_s})


def _given(attempts: Sequence[WebhookAttempt]) -> dict[str, Any]:
    jobs, before = zip(*attempts, strict=True)
    return {"jobs": list(jobs), "attempts": list(before)}
