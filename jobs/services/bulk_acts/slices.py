"""Go on with acts on many jobs, a slice a transaction.

A slice's jobs, the act's counts and the place from which it goes on are committed together, under a lock on
the act's row: a process that dies midway, or a second one, does no job twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import Error as DjangoDatabaseError
from django.db import transaction

from jobs.core.acting.bulk_verbs import BulkState, BulkVerb, slice_size
from jobs.core.acting.job_selection import decoded
from jobs.core.errors import PlatformError
from jobs.db.notify import wake_relay
from jobs.db.statement import Statement, execute, fetch_all
from jobs.db.troubles import IN_THE_WAY, trouble_of
from jobs.services.access.owner import client_alone
from jobs.services.admission.quotas import within_quota
from jobs.services.bulk_acts.matching import look
from jobs.services.bulk_acts.operate_many import end_bulk_act
from jobs.services.dead_letters.discard import discard_all
from jobs.services.dead_letters.lock_dead import lock_dead
from jobs.services.lifecycle.cancel import cancel_all
from jobs.services.lifecycle.replay import replay_all

log = logging.getLogger(__name__)
STEP_S = 0.5  # for so long one act keeps others waiting
FAILED_S = 30.0
LATE_S = 1.0  # an act that was held up does not make up for more than this


class RunningAct(NamedTuple):
    """An act whose next slice is due, its row locked."""

    verb: str
    selection: str
    rate_per_s: float
    actor: str
    after: UUID
    created_at: datetime
    client: int | None


_DUE = Statement("SELECT id FROM jobs_bulkact WHERE ended_at IS NULL AND due <= now() ORDER BY id", int)
_LOCK = Statement(
    """
SELECT verb, selection::text AS selection, rate_per_s, actor, after, created_at, client_id AS client
FROM jobs_bulkact
WHERE id = %(id)s AND ended_at IS NULL AND due <= now() FOR UPDATE SKIP LOCKED
""",
    RunningAct,
)
_POSTPONE: Statement[None] = Statement(
    "UPDATE jobs_bulkact SET due = now() + make_interval(secs => %(wait_s)s) WHERE id = %(id)s"
)
_GO_ON: Statement[None] = Statement("""
UPDATE jobs_bulkact SET after = %(after)s, done = done + %(done)s, failed = failed + %(failed)s,
  due = GREATEST(now() + make_interval(secs => %(wait_s)s), CASE WHEN %(taken)s::int = 0 THEN due
    ELSE GREATEST(due, now() - make_interval(secs => %(late_s)s))
      + make_interval(secs => %(taken)s / rate_per_s) END)
WHERE id = %(id)s
""")


def _replay(jobs: Sequence[UUID], *, actor: str) -> int:
    return replay_all(jobs, actor=actor)


def _discard(jobs: Sequence[UUID], *, actor: str) -> int:
    return discard_all(lock_dead(jobs), actor)


_ACTS: dict[BulkVerb, Callable[..., int]] = {
    BulkVerb.CANCEL: cancel_all, BulkVerb.REPLAY: _replay, BulkVerb.DISCARD: _discard,
}  # fmt: skip


def take_slices(go_on: Callable[[], None] = lambda: None) -> None:
    """Take the due slices of each act; `go_on` is called in between, and may end it.

    A slice that meets a locked row is left for the next time, and one that fails for FAILED_S; others go on.
    """
    for act in fetch_all(_DUE):
        go_on()
        until = time.monotonic() + STEP_S
        try:
            while _slice(act) and time.monotonic() < until:
                pass
        except (DjangoDatabaseError, PlatformError, msgspec.MsgspecError, ValueError) as error:
            trouble = trouble_of(error)
            if trouble is not None and trouble not in IN_THE_WAY:
                raise
            log.warning("act %d is left for a later look: %s", act, " ".join(str(error).split()))
            if trouble is None:  # its own fault, which does not pass by itself
                _postpone(act)


@transaction.atomic
def _postpone(act: int) -> None:
    execute(_POSTPONE, {"id": act, "wait_s": FAILED_S})


def _slice(act: int) -> bool:
    """Do one slice of an act; return whether it was due and there may be more."""
    with transaction.atomic():
        rows = execute(_LOCK, {"id": act})
        if not rows:
            return False
        row, verb = rows[0], BulkVerb(rows[0].verb)
        jobs, upto = look(
            decoded(row.selection), verb, after=row.after, started_at=row.created_at,
            most=slice_size(row.rate_per_s),
        )  # fmt: skip
        wait_s, counted = _charge(row, len(jobs)) if verb is BulkVerb.REPLAY else (0.0, len(jobs))
        if counted < len(jobs):
            jobs, upto = jobs[:counted], jobs[counted - 1] if counted else row.after
        done = _ACTS[verb](jobs, actor=row.actor) if jobs else 0
        counts = {"taken": len(jobs), "done": done, "failed": len(jobs) - done, "wait_s": wait_s}
        execute(_GO_ON, {"id": act, "after": upto or row.after, "late_s": LATE_S, **counts})
        if upto is None:
            end_bulk_act(act, BulkState.FINISHED, row.actor)
    if done and verb is BulkVerb.REPLAY:
        wake_relay()
    return upto is not None and not wait_s


def _charge(act: RunningAct, jobs: int) -> tuple[float, int]:
    """Return how many of a slice's replays its client's quotas allow, and for how long the others wait."""
    if act.client is None:
        return 0.0, jobs
    allowed, refusal = within_quota(client_alone(act.client), [0] * jobs)
    return refusal.details["retry_after_s"] if refusal else 0.0, allowed
