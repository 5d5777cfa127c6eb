"""Tallies: what the first attempts of a batch say of a watched version, stored with its verdicts.

Jobs count in the arm that they were routed to, and only at that arm's version: a rescued job says nothing of
the stable version. A first attempt has number 1, and its job was not replayed before. A job that a worker
gave back without a verdict is still to be judged.

The latency runs from the last publish of a batch's oldest job until its verdict. What lies before, the wait
in the outbox, is the same for all arms, but for jobs that the claim gate put back, which no baseline has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.rollouts.first_attempts import Finding
from jobs.core.states import Verb
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.rerouting.past_events import times_of
from jobs.services.lifecycle.rerouting.watched import Role, WatchedVersion
from models_registry.core.routing.decision import Arm


class FirstAttempt(NamedTuple):
    """An attempt with the number 1: its job, the epoch of its claim, and what it says."""

    job: UUID
    epoch: int
    finding: Finding


class WatchedBatch(NamedTuple):
    """A batch of a version that roll-outs watch, with its first attempts.

    `broken` means that it failed as a whole, `is_rest` that its other jobs were stored and counted before.
    """

    batch: UUID
    watches: Sequence[WatchedVersion]
    firsts: Sequence[FirstAttempt]
    broken: bool = False
    is_rest: bool = False

    @property
    def counts(self) -> bool:
        """Return whether there may be something to count: that it is broken is one failure, not two."""
        live = any(watch.is_live for watch in self.watches)
        return live and bool(self.firsts) and not (self.broken and self.is_rest)


def tally_insert(jobs: LiteralString) -> LiteralString:
    """Return the SQL that inserts one Tally an arm and batch.

    `jobs` is a FROM clause whose `seen` has the stored verdicts: batch, id, epoch and finding.
    """
    return f"""
INSERT INTO jobs_tally (rollout, arm, keys, failed, refused, broken, latency_s)
SELECT route.rollout, route.arm, CASE WHEN watch.broken THEN '{{}}' ELSE array_agg(route.key) END,
  COALESCE(array_agg(route.key) FILTER (WHERE seen.finding = 'failed' AND NOT watch.broken), '{{}}'),
  COALESCE(array_agg(route.key) FILTER (WHERE seen.finding = 'refused' AND NOT watch.broken), '{{}}'),
  watch.broken,
  extract(epoch FROM clock_timestamp() - batch.claimed_at)::float8
    + max(COALESCE(batch.published_ago_s[place], batch.due_ago_s[place], 0))
FROM {jobs}
JOIN unnest(%(watch_batches)b::uuid[], %(watch_rollouts)b::bigint[], %(watch_candidates)b::bool[],
            %(watch_broken)b::bool[]) AS watch(batch, rollout, candidate, broken) ON watch.batch = seen.batch
JOIN models_registry_rollout rollout ON rollout.id = watch.rollout AND rollout.ended_at IS NULL
JOIN jobs_batch batch ON batch.id = watch.batch
JOIN jobs_route route ON route.job_id = seen.id AND route.rollout = watch.rollout
CROSS JOIN LATERAL array_position(batch.members, seen.id) AS place
WHERE route.counted AND route.key IS NOT NULL AND route.arm = ANY(%(arms)b::text[])
  AND (route.arm = %(candidate_arm)s) = watch.candidate
  AND (seen.epoch = 1 OR {times_of("seen.id", "%(replay)s")} = 0)
GROUP BY watch.batch, route.rollout, route.arm, watch.broken, batch.claimed_at
"""  # noqa: S608  # built from our own constants


_GIVEN: LiteralString = """
unnest(%(first_batches)b::uuid[], %(first_jobs)b::uuid[], %(first_epochs)b::int[], %(first_findings)b::text[])
  AS seen(batch, id, epoch, finding)
"""
SETTLED_FIRSTS: LiteralString = f"""
settled JOIN {_GIVEN} ON seen.id = settled.id
"""
_INSERT = Statement(tally_insert(_GIVEN))


def tally_parameters(batches: Sequence[WatchedBatch]) -> dict[str, object]:
    """Return the parameters of `tally_insert`."""
    watches = [(batch, watch) for batch in batches for watch in batch.watches if watch.is_live]
    firsts = [(batch.batch, first) for batch in batches for first in batch.firsts]
    return {
        "watch_batches": [batch.batch for batch, _ in watches],
        "watch_rollouts": [watch.rollout for _, watch in watches],
        "watch_candidates": [watch.role is Role.CANDIDATE for _, watch in watches],
        "watch_broken": [batch.broken for batch, _ in watches],
        "first_batches": [batch for batch, _ in firsts],
        "first_jobs": [first.job for _, first in firsts],
        "first_epochs": [first.epoch for _, first in firsts],
        "first_findings": [first.finding.value for _, first in firsts],
        "arms": [Arm.CANDIDATE.value, Arm.BASELINE.value, Arm.STABLE.value],
        "candidate_arm": Arm.CANDIDATE,
        "replay": Verb.REPLAY,
    }


def tally(connection: sa.Connection, batch: WatchedBatch) -> None:
    """Insert the tallies of a batch, in the transaction that stores its verdicts."""
    if batch.counts:
        run(connection, _INSERT, tally_parameters([batch]))
