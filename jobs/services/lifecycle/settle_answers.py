"""Settle answers: one statement stores whole batches of answers, closes their ledger rows and notifies.

It is all or nothing, and commits by itself. Where a job is locked, or not these batches' any more, nothing
changes, and each batch is settled in its own transaction, which knows what to do about it: see `settle`.
`rerouting.watched_answers` is the same with the tallies of roll-outs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from jobs.core import channels
from jobs.core.failures import Success
from jobs.core.stages import StageTimes
from jobs.core.states import State
from jobs.db.statement import Session, Statement, run
from jobs.services.lifecycle.settle import SETTLE, SettledRow, Verdict, arrays


class AnsweredBatch(NamedTuple):
    """A batch whose verdicts are all answers, and how long it was in the stages."""

    batch: UUID
    times: StageTimes
    verdicts: Sequence[Verdict]


# A CTE that only notifies runs because the answer counts its rows.
SETTLE_ANSWERS: LiteralString = f"""{SETTLE}, ended AS (
  SELECT batch_id, count(*) FILTER (WHERE state = %(succeeded)s) AS succeeded, count(*) AS jobs
  FROM settled GROUP BY batch_id
), closed AS (
  UPDATE jobs_batch batch
  SET finished_at = now(), claim_s = run.claim_s, lane_s = run.lane_s, ran_s = run.ran_s,
      succeeded = batch.succeeded + ended.succeeded, failed = batch.failed + ended.jobs - ended.succeeded
  FROM ended
  JOIN unnest(%(batches)b::uuid[], %(claim_s)b::float8[], %(lane_s)b::float8[], %(ran_s)b::float8[])
    AS run(id, claim_s, lane_s, ran_s) ON run.id = ended.batch_id
  WHERE batch.id = run.id AND batch.finished_at IS NULL
), notified AS MATERIALIZED (
  SELECT pg_notify(jobs_channel(%(channel)s), 'batch:' || batch_id) FROM ended
)
"""  # noqa: S608  # built from a constant
STATES: LiteralString = "SELECT id, state FROM settled CROSS JOIN (SELECT count(*) FROM notified) AS sent"
_SETTLE_ANSWERS = Statement(f"{SETTLE_ANSWERS} {STATES}", SettledRow)


def only_answers(verdicts: Sequence[Verdict]) -> bool:
    """Return whether no verdict is a failure, after which more would have to be stored."""
    return all(isinstance(verdict.outcome, Success) for verdict in verdicts)


def settle_answers(connection: Session, batches: Sequence[AnsweredBatch]) -> dict[UUID, State]:
    """Store the answers of `batches`; return each job's state, or nothing where not all can be stored."""
    rows = run(connection, _SETTLE_ANSWERS, answer_parameters(batches))
    return {row.id: State(row.state) for row in rows}


def answer_parameters(batches: Sequence[AnsweredBatch]) -> dict[str, Any]:
    """Return the parameters of `SETTLE_ANSWERS`."""
    verdicts = [verdict for batch in batches for verdict in batch.verdicts]
    claims = [batch.batch for batch in batches for _ in batch.verdicts]
    return arrays(verdicts, claims, least=len(verdicts)) | {
        "batches": [batch.batch for batch in batches],
        "claim_s": [batch.times.claim_s for batch in batches],
        "lane_s": [batch.times.lane_s for batch in batches],
        "ran_s": [batch.times.ran_s for batch in batches],
        "channel": channels.SETTLED,
    }
