"""Settle a batch of a version that roll-outs watch: rescues first, then verdicts, then what they say.

All of it is one transaction, so that each first attempt is evidence once.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from jobs.core.failures import Failure
from jobs.core.rollouts.first_attempts import finding_of
from jobs.core.stages import NO_TIMES, StageTimes
from jobs.core.states import Verb, target
from jobs.services.lifecycle.rerouting.rescue import FailedFirst, Rescued, rescue
from jobs.services.lifecycle.rerouting.tallies import WatchedBatch, tally
from jobs.services.lifecycle.settle import (
    Settled,
    Verdict,
    attempt_detail,
    attempt_message,
    close,
    origin_of,
    store,
)

QUEUED = target(Verb.RESCUE)


def settle_watched(
    connection: sa.Connection,
    *,
    batch: WatchedBatch,
    verdicts: Sequence[Verdict],
    times: StageTimes = NO_TIMES,
    worker: str = "",
) -> tuple[list[Settled], set[UUID]]:
    """Do what `settle` does, and rescue and count first attempts; a rescued job ends as queued."""
    rescued = rescue_failed(connection, batch, verdicts, origin_of(batch.batch, worker))
    gone = rescued.jobs | rescued.unsettled
    rest = [verdict for verdict in verdicts if verdict.job not in gone] if gone else verdicts
    settled = store(connection, batch=batch.batch, verdicts=rest, worker=worker)
    settled += [Settled(job, QUEUED) for job in sorted(rescued.jobs)]
    count_firsts(connection, batch, settled)
    locked = close(connection, batch=batch.batch, verdicts=verdicts, settled=settled, times=times)
    return settled, locked


def count_firsts(connection: sa.Connection, batch: WatchedBatch, settled: Sequence[Settled]) -> None:
    """Count the first attempts whose verdicts were stored."""
    stored = {row.job for row in settled}
    firsts = [first for first in batch.firsts if first.job in stored]
    tally(connection, batch._replace(firsts=firsts))


def rescue_failed(
    connection: sa.Connection, batch: WatchedBatch, verdicts: Sequence[Verdict], origin: dict[str, str]
) -> Rescued:
    """Queue again at the stable version what a candidate failed at, where its roll-out rescues."""
    rollouts = [watch.rollout for watch in batch.watches if watch.rescue]
    firsts = {first.job for first in batch.firsts} if rollouts else ()
    failed = [
        FailedFirst(v.job, v.epoch, attempt_detail(v, origin), attempt_message(v))
        for v in verdicts
        if v.job in firsts and isinstance(v.outcome, Failure) and finding_of(v.outcome) is not None
    ]
    return rescue(connection, batch=batch.batch, failed=failed, rollouts=rollouts)
