"""The road of answers for batches that roll-outs watch: the same one statement, which also inserts tallies.

A process that has no such batch in hand runs the statement without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jobs.core.states import State
from jobs.db.statement import Session, Statement, run
from jobs.services.lifecycle.rerouting.tallies import (
    TALLY,
    TALLY_GROUPS,
    WatchedBatch,
    tally_parameters,
)
from jobs.services.lifecycle.settle import SettledRow
from jobs.services.lifecycle.settle_answers import (
    SETTLE_ANSWERS,
    STATES,
    AnsweredBatch,
    answer_parameters,
    settle_answers,
)

# All answers are stored, or none is: then nothing is counted.
_SETTLE_WATCHED = Statement(
    f"""
{SETTLE_ANSWERS}, tallied AS ({TALLY} AND EXISTS (SELECT FROM settled) {TALLY_GROUPS}) {STATES}
""",
    SettledRow,
)


def settle_answers_watched(
    connection: Session, batches: Sequence[AnsweredBatch], watched: Sequence[WatchedBatch]
) -> dict[UUID, State]:
    """Do what `settle_answers` does, and count the first attempts of those batches that are `watched`."""
    counted = [batch for batch in watched if batch.counts]
    if not counted:
        return settle_answers(connection, batches)
    parameters = answer_parameters(batches) | tally_parameters(counted)
    return {row.id: State(row.state) for row in run(connection, _SETTLE_WATCHED, parameters)}
