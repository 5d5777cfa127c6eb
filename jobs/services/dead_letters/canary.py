"""Replay dead jobs that look alike: one goes first, and the others follow only where it succeeds.

Whatever killed them may still be there, and then a replay would only kill them again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import transaction

from jobs.core.errors import PlatformError
from jobs.core.retry.replay_steps import ReplayState, Step, next_step
from jobs.core.states import State
from jobs.db.notify import wake_relay
from jobs.db.statement import Statement, execute, fetch_all, run
from jobs.db.troubles import IN_THE_WAY, trouble_of
from jobs.services.access.audit import ACTOR_CHARS
from jobs.services.dead_letters.group_edit import UNCHANGED, GroupEdit, replay_edited_group
from jobs.services.dead_letters.lock_dead import lock_dead
from jobs.services.dead_letters.reads import (
    FIRST_ID,
    LOOKED_AT,
    DeadLetterFilter,
    LookAlikes,
    ids,
    look_alikes,
)
from jobs.services.dead_letters.replay_many import chunks, now, replay_dead_letters
from jobs.services.lifecycle.replay import requeue, with_input

MOST_TRIED = 100  # inputs that an edit may not fit, before no first job is found
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayStart:
    """How many jobs were queued again, and how many wait for what becomes of these."""

    first: int
    following: int

    @property
    def sentence(self) -> str:
        """Return what happened, for people."""
        queued = "1 job is" if self.first == 1 else f"{self.first:,} jobs are"
        if not self.following:
            return f"{queued} queued again."
        return f"{queued} queued again; {self.following:,} more follow where these succeed (Admin, Replays)."


class OpenReplay(NamedTuple):
    """A replay that has not ended, and what became of its first job; `now` is that job's new fingerprint."""

    id: int
    model: str
    fingerprint: str
    since: datetime | None
    until: datetime
    jobs: list[UUID] | None
    rate_per_s: float | None
    most: int
    tried: int
    actor: str
    patch: str
    version: int | None
    state: str | None
    now: str

    @property
    def edit(self) -> GroupEdit:
        """Return what is changed of each job."""
        return GroupEdit(self.patch, self.version)

    @property
    def selection(self) -> DeadLetterFilter:
        """Return the dead letters that it replays."""
        return DeadLetterFilter(
            model=self.model, fingerprint=self.fingerprint, since=self.since, until=self.until, jobs=self.jobs
        )


_START: Statement[None] = Statement("""
INSERT INTO jobs_canaryreplay
  (model, fingerprint, since, until, jobs, rate_per_s, most, canary, state, actor, patch, version)
VALUES (%(model)s, %(fingerprint)s, %(since)s, %(until)s, %(jobs)s::uuid[], %(rate_per_s)s::float8, %(most)s,
  %(canary)s, %(trying)s, %(actor)s, %(patch)s, %(version)s::bigint)
""")
_OPEN = Statement(
    """
SELECT replay.id, replay.model, replay.fingerprint, replay.since, replay.until, replay.jobs,
  replay.rate_per_s, replay.most, replay.tried, replay.actor, replay.patch, replay.version, job.state,
  COALESCE(letter.fingerprint, '') AS now
FROM jobs_canaryreplay replay
LEFT JOIN jobs_job job ON job.id = replay.canary
LEFT JOIN jobs_deadletter letter ON letter.job_id = replay.canary
WHERE replay.ended_at IS NULL
  AND (replay.patch <> '' OR replay.version IS NOT NULL) = %(edits)s ORDER BY replay.id
""",
    OpenReplay,
)
_ANY_OPEN = Statement("SELECT EXISTS (SELECT FROM jobs_canaryreplay WHERE ended_at IS NULL)", bool)
_AGAIN: Statement[None] = Statement("""
UPDATE jobs_canaryreplay SET canary = %(canary)s, tried = tried + 1 WHERE id = %(id)s AND ended_at IS NULL
""")
_END: Statement[None] = Statement("""
UPDATE jobs_canaryreplay
SET state = %(state)s, reason = %(reason)s, replayed = %(replayed)s, ended_at = now(), patch = ''
WHERE id = %(id)s AND ended_at IS NULL
""")


def start_replay(
    *,
    selection: DeadLetterFilter,
    actor: str,
    rate: float | None = None,
    most: int,
    edit: GroupEdit = UNCHANGED,
) -> ReplayStart:
    """Queue one dead job of each group that matches, and note what is to follow, up to `most` jobs in all.

    With an `edit` each job's input is changed, and one that it does not fit stays dead.
    """
    until = selection.until or now()
    first = following = 0
    for alike in look_alikes(replace(selection, until=until)):
        count = min(alike.jobs, most - first - following)
        if count <= 0:
            break
        group = replace(selection, model=alike.queue, fingerprint=alike.fingerprint, until=until)
        values = {"rate_per_s": rate, "most": count, "actor": actor[:ACTOR_CHARS], **edit._asdict()}
        if _start_group(group, alike, edit, values):
            first, following = first + 1, following + count - 1
    wake_relay()
    return ReplayStart(first, following)


def any_open(session: sa.Connection) -> bool:
    """Return whether any replay has not ended."""
    (is_open,) = run(session, _ANY_OPEN)
    return is_open


def take_steps(go_on: Callable[[], None] = lambda: None, *, edits: bool = False) -> None:
    """Take the next step of each replay that has not ended; `go_on` is called in between, and may end it.

    Those with `edits` read and write inputs, so only a process that has the keys of payloads takes them.
    A step may queue a hundred thousand jobs, which takes longer than a lease. One that meets a locked row is
    left for the next time, and the others are taken.
    """
    for replay in fetch_all(_OPEN, {"edits": edits}):
        go_on()
        try:
            _take_step(replay, go_on)
        except PlatformError as error:
            log.error("replay %d is left for the next look: %s", replay.id, error)  # noqa: TRY400
        except DjangoDatabaseError as error:
            if trouble_of(error) not in IN_THE_WAY:
                raise
            log.warning("replay %d is left for the next look: %s", replay.id, " ".join(str(error).split()))


def _start_group(group: DeadLetterFilter, alike: LookAlikes, edit: GroupEdit, values: dict[str, Any]) -> bool:
    with transaction.atomic():
        canary = _first(group, values["actor"], edit)
        if canary is not None and values["most"] > 1:
            values = values | {
                "model": alike.queue,
                "fingerprint": alike.fingerprint,
                "since": group.since,
                "until": group.until,
                "jobs": group.jobs,
                "canary": canary,
                "trying": ReplayState.TRYING,
            }
            execute(_START, values)
    return canary is not None


def _first(group: DeadLetterFilter, actor: str, edit: GroupEdit) -> UUID | None:
    """Queue the oldest job of a group that has its input again, and return it. Requires a transaction."""
    if edit.changes:
        return _first_edited(group, actor, edit)
    for jobs in chunks(group, most=LOOKED_AT):
        if dead := lock_dead(with_input(jobs)[:1]):
            requeue(dead, actor=actor)
            return dead[0]
    return None


def _first_edited(group: DeadLetterFilter, actor: str, edit: GroupEdit) -> UUID | None:
    """Queue the oldest job whose input the edit fits."""
    for job in ids(group, after=FIRST_ID, most=MOST_TRIED):
        try:
            edit.replay(job, actor=actor)
        except PlatformError:
            continue
        return job
    return None


def _take_step(replay: OpenReplay, go_on: Callable[[], None]) -> None:
    state = None if replay.state is None else State(replay.state)
    step, reason = next_step(before=replay.fingerprint, tried=replay.tried, state=state, now=replay.now)
    if step is Step.TRY_ANOTHER:
        _try_another(replay)
    elif step is Step.GO_ON:
        _go_on(replay, go_on)
    elif step is Step.STOP:
        _end(replay, ReplayState.STOPPED, reason)


def _try_another(replay: OpenReplay) -> None:
    with transaction.atomic():
        canary = _first(replay.selection, replay.actor, replay.edit)
        if canary is None:
            _end(replay, ReplayState.DONE, "No further job is dead.")
            return
        execute(_AGAIN, {"id": replay.id, "canary": canary})
    wake_relay()


def _go_on(replay: OpenReplay, go_on: Callable[[], None]) -> None:
    # A process that dies midway leaves the replay open: the next look queues those that are still dead.
    if replay.edit.changes:
        _go_on_edited(replay, go_on)
        return
    replayed = replay_dead_letters(
        selection=replay.selection,
        actor=replay.actor,
        rate=replay.rate_per_s,
        most=replay.most - replay.tried,
        go_on=go_on,
    )
    _end(replay, ReplayState.DONE, "The first job succeeded.", replayed)


def _go_on_edited(replay: OpenReplay, go_on: Callable[[], None]) -> None:
    replayed, refused = replay_edited_group(
        selection=replay.selection,
        edit=replay.edit,
        actor=replay.actor,
        rate=replay.rate_per_s,
        most=replay.most - replay.tried,
        go_on=go_on,
    )
    stay = f" {refused:,} stay dead: the edit does not fit, or the input is lost." if refused else ""
    _end(replay, ReplayState.DONE, f"The first job succeeded.{stay}", replayed)


def _end(replay: OpenReplay, state: ReplayState, reason: str, replayed: int = 0) -> None:
    execute(_END, {"id": replay.id, "state": state, "reason": reason, "replayed": replayed})
