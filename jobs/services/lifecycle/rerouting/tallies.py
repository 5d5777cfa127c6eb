"""Tallies: what the first attempts of a batch say of a watched version, stored with its verdicts.

Jobs count in the arm that they were routed to, and only at that arm's version: a rescued job says nothing of
the stable version. A first attempt has number 1, and its job was not replayed before. A job that a worker
gave back without a verdict is still to be judged.

What a rule of an earlier step decided is no evidence any more: beside jobs of the new step, of which the
candidate has another part, a rate that changes in between for both would look like the candidate's.

The latency runs from the last publish of a batch's oldest job until its verdict. What lies before, the wait
in the outbox, is the same for all arms, but for jobs that the claim gate put back, which no baseline has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.rollouts.first_attempts import AttemptFinding
from jobs.core.states import Verb
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.rerouting.past_events import times_of
from jobs.services.lifecycle.rerouting.watched import Role, WatchedVersion
from models_registry.core.routing.decision import Arm


class FirstAttempt(NamedTuple):
    """An attempt with the number 1: its job, the epoch of its claim, and what it says."""

    job: UUID
    epoch: int
    finding: AttemptFinding


class WatchedBatch(NamedTuple):
    """A batch of a version that roll-outs watch, with its first attempts; `latency_s` is of the oldest one.

    `broken` means that it failed as a whole, `is_rest` that its other jobs were stored and counted before.
    """

    batch: UUID
    watches: Sequence[WatchedVersion]
    firsts: Sequence[FirstAttempt]
    latency_s: float = 0.0
    broken: bool = False
    is_rest: bool = False

    @property
    def counts(self) -> bool:
        """Return whether there may be something to count: that it is broken is one failure, not two."""
        live = any(watch.is_live for watch in self.watches)
        return live and bool(self.firsts) and not (self.broken and self.is_rest)


# A batch is known by its number in the arrays. Of the replays of a job only the index of its Events is read.
TALLY: LiteralString = f"""
INSERT INTO jobs_tally (rollout, arm, keys, failed, refused, broken, latency_s)
SELECT route.rollout, route.arm, CASE WHEN watch.broken THEN '{{}}' ELSE array_agg(route.key) END,
  COALESCE(array_agg(route.key) FILTER (
    WHERE NOT watch.broken AND route.job_id = ANY(%(failed_firsts)b::uuid[])), '{{}}'),
  COALESCE(array_agg(route.key) FILTER (
    WHERE NOT watch.broken AND route.job_id = ANY(%(refused_firsts)b::uuid[])), '{{}}'),
  watch.broken, watch.latency_s
FROM unnest(%(firsts)b::uuid[], %(first_batches)b::int[]) AS seen(id, batch)
JOIN jobs_route route ON route.job_id = seen.id
JOIN unnest(%(watched_batches)b::int[], %(watch_rollouts)b::bigint[], %(watch_candidates)b::bool[],
            %(watch_broken)b::bool[], %(watch_latencies)b::float8[])
  AS watch(batch, rollout, candidate, broken, latency_s)
  ON watch.batch = seen.batch AND watch.rollout = route.rollout
  AND watch.candidate = (route.arm = '{Arm.CANDIDATE}')
JOIN models_registry_rollout live ON live.id = route.rollout
LEFT JOIN models_registry_rule rule ON rule.id = route.rule
WHERE route.counted AND route.key IS NOT NULL AND route.arm <> '{Arm.FALLBACK}'
  AND (route.rule = live.rule OR rule.at IS NULL OR rule.at >= live.step_since)
  AND (seen.id <> ALL(%(later_firsts)b::uuid[]) OR {times_of("seen.id", f"'{Verb.REPLAY}'")} = 0)
"""  # noqa: S608  # built from our own constants
TALLY_GROUPS: LiteralString = "GROUP BY watch.batch, route.rollout, route.arm, watch.broken, watch.latency_s"
_TALLY = Statement(f"{TALLY} {TALLY_GROUPS}")


def tally_parameters(batches: Sequence[WatchedBatch]) -> dict[str, object]:
    """Return the parameters of `TALLY`."""
    watches = [
        (at, batch, watch) for at, batch in enumerate(batches) for watch in batch.watches if watch.is_live
    ]
    firsts = [first for batch in batches for first in batch.firsts]
    return {
        "watched_batches": [at for at, _, _ in watches],
        "watch_rollouts": [watch.rollout for _, _, watch in watches],
        "watch_candidates": [watch.role is Role.CANDIDATE for _, _, watch in watches],
        "watch_broken": [batch.broken for _, batch, _ in watches],
        "watch_latencies": [batch.latency_s for _, batch, _ in watches],
        "firsts": [first.job for first in firsts],
        "later_firsts": [first.job for first in firsts if first.epoch != 1],  # only they may be replays
        "first_batches": [at for at, batch in enumerate(batches) for _ in batch.firsts],
        "failed_firsts": [first.job for first in firsts if first.finding is AttemptFinding.FAILED],
        "refused_firsts": [first.job for first in firsts if first.finding is AttemptFinding.REFUSED],
    }


def tally(connection: sa.Connection, batch: WatchedBatch) -> None:
    """Insert the tallies of a batch, in the transaction that stores its verdicts."""
    if batch.counts:
        run(connection, _TALLY, tally_parameters([batch]))
