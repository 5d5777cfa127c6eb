"""Reads what the live page shows, on a connection that a page's process keeps for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import psycopg

from jobs.core.operations.recent_jobs import RecentJobs
from jobs.db.leases import RELAY
from jobs.db.statement import run
from jobs.services.admission.survey_reads import SURVEYED, SurveyedQueue
from jobs.services.dead_letters.reads import GROUPS, DeadLetterFilter, DeadLetterGroup
from jobs.services.operations import reading_statements as statements
from jobs.services.operations.reading_statements import (
    ClientRow,
    HeldVersion,
    LoadRow,
    OpenBatches,
    OutageRow,
    PauseRow,
    RelayRow,
    RolloutRow,
    StepRow,
    WorkerRow,
)

LETTERS_S = 5.0  # dead letters are counted so often: up to LOOKED_AT of them are read for it
LOOKED_AT = 50_000
MOST_GROUPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsRows:
    """All rows of one reading; `now` is the database's time."""

    now: float
    recent: RecentJobs | None
    steps: Mapping[str, StepRow]
    queues: Sequence[SurveyedQueue]
    clients: Sequence[ClientRow]
    workers: Sequence[WorkerRow]
    in_flight: Sequence[OpenBatches]
    loads: Sequence[LoadRow]
    relays: Sequence[RelayRow]
    circuits: Sequence[HeldVersion]
    pauses: Sequence[PauseRow]
    rollouts: Sequence[RolloutRow]
    outages: Sequence[OutageRow]
    letters: Sequence[DeadLetterGroup]


class OperationsReads:
    """Reads all rows; dead letters less often, because they may be many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any; `clock` returns monotonic seconds."""
        self._clock = clock
        self._letters: Sequence[DeadLetterGroup] = ()
        self._letters_at_s = float("-inf")

    def read(self, session: psycopg.Connection[Any]) -> OperationsRows:
        """Return the rows of now; psycopg.Error."""
        (row,) = run(session, statements.RECENT)
        recent = None if row.recent is None else msgspec.json.decode(bytes(row.recent), type=RecentJobs)
        workers = run(session, statements.WORKERS, {"most": statements.MOST_WORKERS})
        most = {"most": statements.MOST_HOLDS}
        nodes = {"nodes": [worker.node for worker in workers], "most": 10 * statements.MOST_WORKERS}
        ended = {"ended": [*recent.clients] if recent else [], "most": statements.MOST_CLIENTS}
        steps = run(session, statements.STEPS, {"at": recent.at}) if recent else []
        return OperationsRows(
            now=row.now,
            recent=recent,
            steps={step.queue: step for step in steps},
            queues=run(session, SURVEYED),
            clients=run(session, statements.CLIENTS, ended),
            workers=workers,
            in_flight=run(session, statements.IN_FLIGHT, {"workers": [worker.id for worker in workers]}),
            loads=run(session, statements.LOADS, nodes),
            relays=run(session, statements.RELAYS, {"office": RELAY}),
            circuits=run(session, statements.CIRCUITS, most),
            pauses=run(session, statements.PAUSES, most),
            rollouts=run(session, statements.ROLLOUTS, most),
            outages=run(session, statements.OUTAGES, most),
            letters=self._letter_groups(session),
        )

    def _letter_groups(self, session: psycopg.Connection[Any]) -> Sequence[DeadLetterGroup]:
        if self._clock() - self._letters_at_s >= LETTERS_S:
            values = {**asdict(DeadLetterFilter()), "looked_at": LOOKED_AT, "most": MOST_GROUPS}
            self._letters = [*run(session, GROUPS, values)]
            self._letters_at_s = self._clock()
        return self._letters
