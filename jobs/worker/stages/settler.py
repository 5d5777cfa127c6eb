"""Settle: raw outputs become verdicts, and one statement stores them all.

Batches of answers that wait together are stored together. What is no plain answer, and what such a statement
could not store, is stored batch by batch, each in its own transaction.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs.core.circuits.answered_inputs import AnsweredInputs
from jobs.core.circuits.tally import Answer, VerdictTally, all_answered, tallies_of
from jobs.core.errors import PayloadUnreadableError
from jobs.core.failures import Failure, Success
from jobs.core.payloads.pointer import is_pointer, pointer_of
from jobs.core.payloads.stored_output import content_type, stored_output
from jobs.core.rollouts.first_attempts import finding_of, is_broken
from jobs.core.states import State
from jobs.db.single_statements import SingleStatements
from jobs.payloads.claim_check import store_payload
from jobs.services.erasure.unwanted_objects import mark_late_outputs
from jobs.services.lifecycle import settle as store
from jobs.services.lifecycle.cascading.settle_steps import settle_steps
from jobs.services.lifecycle.poison import convict
from jobs.services.lifecycle.rerouting.settle_watched import settle_watched
from jobs.services.lifecycle.rerouting.tallies import FirstAttempt, WatchedBatch
from jobs.services.lifecycle.rerouting.watched_answers import settle_answers_watched
from jobs.services.lifecycle.settle_answers import AnsweredBatch, only_answers
from jobs.worker.circuit_monitor import CircuitMonitor
from jobs.worker.stages.bisect import Splitter
from jobs.worker.stages.cascade_steps import StepJudge
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch
from jobs.worker.stages.classify import failure_of, is_device_loss
from jobs.worker.stages.execute import run
from jobs.worker.stages.persist import persist, try_once
from jobs.worker.stages.privacy import Privacy
from jobs.worker.stages.verdicts import BatchVerdicts, ExpectedS, at_once
from models_registry.core.faults import Table
from models_registry.core.registry_errors import BadOutputError
from models_registry.core.runner import Runner
from models_registry.loaders.devices.own_device import own_device

logger = logging.getLogger(__name__)


class Stored(NamedTuple):
    """The verdicts that were stored or came too late, what they changed, and the jobs that are locked."""

    verdicts: list[store.Verdict]
    settled: list[store.Settled]
    locked: set[UUID]


class Settler:
    """The settle stage of one worker incarnation."""

    def __init__(
        self,
        engine: sa.Engine,
        stopping: Callable[[], bool],
        *,
        node: str,
        expected_s: ExpectedS,
        circuits: CircuitMonitor,
    ) -> None:
        """Prepare to settle for `node`; `expected_s` predicts the run time of a version and size."""
        self._engine, self._stopping, self._circuits = engine, stopping, circuits
        self._node, self._expected_s = node, expected_s
        self._statements = SingleStatements(engine)
        self._answered = defaultdict[int, AnsweredInputs](AnsweredInputs)
        self._steps = StepJudge(engine, circuits)

    def judge(self, batch: ClaimedBatch) -> None:
        """Make the batch's verdicts, unless an earlier settle left some."""
        outcomes, verdicts = _judged(batch, self._expected_s) if not batch.verdicts else ({}, batch.verdicts)
        batch.let_go()
        batch.busy_since = None  # a slow database is not a batch that hangs, and steps may need it
        if batch.cascades and outcomes:
            verdicts = self._steps.stepped_all(batch, verdicts, outcomes)
        batch.verdicts = verdicts

    def together(self, batches: Sequence[ClaimedBatch]) -> dict[UUID, Stored]:
        """Store in one statement those judged batches that have answers alone; return what was stored.

        It is nothing where one of them cannot be stored now: `settle` stores the others, and finds which.
        """
        plain = [batch for batch in batches if not batch.cascades and only_answers(batch.verdicts)]
        if not plain:
            return {}
        rows = [AnsweredBatch(batch.id, batch.times, batch.verdicts) for batch in plain]
        watched = [watched_batch(batch, batch.verdicts) for batch in plain if batch.watches]
        try:
            states = try_once(
                self._statements, lambda c: settle_answers_watched(c, rows, watched), engine=self._engine
            )
        except (psycopg.Error, DBAPIError) as error:
            logger.warning("batches are stored one by one: %s", type(error).__name__)
            return {}
        return {batch.id: self._noted(batch, states) for batch in plain} if states else {}

    def _noted(self, batch: ClaimedBatch, states: dict[UUID, State]) -> Stored:
        verdicts, batch.verdicts = batch.verdicts, []
        settled = [store.Settled(verdict.job, states[verdict.job]) for verdict in verdicts]
        stored = Stored(verdicts, settled, set())
        self._observe(batch, stored)
        return stored

    def settle(self, batch: ClaimedBatch) -> Stored | None:
        """Store the batch's verdicts and return them; None where the worker stops before they are stored.

        What could not be stored, because another transaction has locked its row, is left in `batch`.
        """
        self.judge(batch)
        verdicts = batch.verdicts
        stored = persist(self._engine, lambda c, _: self._store(c, batch, verdicts), stopping=self._stopping)
        if stored is not None:
            self._observe(batch, stored)
            batch.verdicts = [v for v in verdicts if v.job in stored.locked] if stored.locked else []
        return stored

    def _observe(self, batch: ClaimedBatch, stored: Stored) -> None:
        """Count for the circuits what became of the batch, and remember some inputs that were answered."""
        version = int(str(batch.key))
        self._circuits.observe(version, self._tallies(batch, stored, self._answered[version]))
        pairs = zip(stored.verdicts, batch.jobs, strict=False) if not stored.locked else ()
        self._answered[version].remember(job.body for v, job in pairs if isinstance(v.outcome, Success))

    def _tallies(
        self, batch: ClaimedBatch, stored: Stored, answered: AnsweredInputs
    ) -> dict[int, VerdictTally]:
        ends = {row.job: row.state for row in stored.settled}
        succeeded = len(ends) == len(batch.deliveries) and set(ends.values()) == {State.SUCCEEDED}
        # A job may have the answer of an earlier step, because this version failed.
        if succeeded and not (batch.cascades and _any_failed(stored.verdicts)):
            return all_answered(delivery.envelope.client for delivery in batch.deliveries)
        inputs = {job.job: job.body for job in batch.jobs}
        clients = {delivery.job: delivery.envelope.client for delivery in batch.deliveries}
        return tallies_of(
            Answer(clients[v.job], v.outcome, _end_at(v, ends), inputs.get(v.job, b"") in answered)
            for v in stored.verdicts
            if v.job in clients
        )

    def _store(self, connection: sa.Connection, batch: ClaimedBatch, verdicts: list[store.Verdict]) -> Stored:
        verdicts = convict(connection, verdicts)
        if batch.cascades:
            settled, locked = settle_steps(
                connection,
                batch=watched_batch(batch, verdicts),
                version=int(str(batch.key)),
                verdicts=verdicts,
                times=batch.times,
                worker=self._node,
            )
        elif batch.watches:
            settled, locked = settle_watched(
                connection,
                batch=watched_batch(batch, verdicts),
                verdicts=verdicts,
                times=batch.times,
                worker=self._node,
            )
        else:
            settled, locked = store.settle(
                connection, batch=batch.id, verdicts=verdicts, times=batch.times, worker=self._node
            )
        done = [verdict for verdict in verdicts if verdict.job not in locked] if locked else verdicts
        if len(settled) < len(done):
            mark_late_outputs(connection, _late_outputs(done, {row.job for row in settled}))
        return Stored(done, settled, locked)


def verdicts_of(batch: ClaimedBatch, expected_s: ExpectedS = at_once) -> list[store.Verdict]:
    """Return one verdict for each of the batch's jobs, in their order; DeviceLostError without the device."""
    return _judged(batch, expected_s)[1]


def _judged(
    batch: ClaimedBatch, expected_s: ExpectedS
) -> tuple[dict[int, Success | Failure], list[store.Verdict]]:
    """Return the outcomes in clear by their places in the batch, and the verdicts."""
    outcomes, verdicts = _all_outcomes(batch), BatchVerdicts(batch, expected_s)
    if own_device().loss and any(isinstance(o, Failure) and is_device_loss(o) for o in outcomes.values()):
        raise own_device().error()
    return outcomes, [
        verdicts.verdict(position, _storable(batch.privacy, job.job, outcomes[position]))
        for position, job in enumerate(batch.jobs)
    ]


def _any_failed(verdicts: Sequence[store.Verdict]) -> bool:
    return any(isinstance(verdict.outcome, Failure) for verdict in verdicts)


def _end_at(verdict: store.Verdict, ends: Mapping[UUID, State]) -> State | None:
    """Return how the version did a job: in a cascade the job may end otherwise, or go on."""
    end = ends.get(verdict.job)
    if verdict.step is None or end is None:
        return end
    if isinstance(verdict.outcome, Success) or verdict.step.hindrance is not None:
        return State.SUCCEEDED
    return State.DEAD if end is State.SUCCEEDED else end


def watched_batch(batch: ClaimedBatch, verdicts: Sequence[store.Verdict]) -> WatchedBatch:
    """Return what roll-outs are to know of a batch: its first attempts, and whether it failed as a whole."""
    # Mostly all are first attempts; to look each job up by its id would cost most of all of this.
    later = {job.job for job in batch.jobs if job.attempts != 1}
    found = [(v, finding_of(v.outcome)) for v in verdicts if not later or v.job not in later]
    waits_s = (job.published_ago_s or job.due_ago_s or 0.0 for job in batch.jobs if job.attempts == 1)
    oldest_s = max(waits_s, default=0.0)
    return WatchedBatch(
        batch.id,
        batch.watches,
        [FirstAttempt(v.job, v.epoch, finding) for v, finding in found if finding is not None],
        latency_s=oldest_s + time.monotonic() - batch.claimed_at,
        broken=is_broken([v.outcome for v in verdicts], unprepared=batch.failure is not None),
        is_rest=batch.is_rest,
    )


def _storable(privacy: Privacy | None, job: UUID, outcome: Success | Failure) -> Success | Failure:
    """Return an outcome as its row will hold it: sealed, and replaced by a pointer where it is large."""
    if isinstance(outcome, Failure):
        return outcome if privacy is None else privacy.outcome(job, outcome)
    try:
        sealed = outcome if privacy is None else privacy.sealed(job, outcome)
        body = store_payload(sealed.body, content_type=content_type(outcome.body))
    except PayloadUnreadableError as error:
        return failure_of(error)
    return sealed if body is sealed.body else Success(body, sealed.encoding)


def _late_outputs(done: list[store.Verdict], settled: set[UUID]) -> dict[UUID, str]:
    """Return the objects of outputs that came too late, by their jobs."""
    late = ((v.job, v.outcome.body) for v in done if v.job not in settled and isinstance(v.outcome, Success))
    return {job: pointer_of(body).name for job, body in late if is_pointer(body)}


def _all_outcomes(batch: ClaimedBatch) -> dict[int, Success | Failure]:
    if batch.failure is not None:
        return dict.fromkeys(range(len(batch.jobs)), batch.failure)
    assert batch.runner is not None  # noqa: S101  # the claim stage sets it or a failure
    outcomes: dict[int, Success | Failure] = {}
    outcomes |= batch.privacy.unread if batch.privacy is not None else {}
    for piece in batch.pieces:
        outcomes |= piece_outcomes(batch.runner, piece, batch.table)
    return outcomes


def piece_outcomes(
    runner: Runner, piece: BatchPiece, table: Table
) -> Iterator[tuple[int, Success | Failure]]:
    """Yield each item's position and outcome; a piece whose outputs cannot be read runs again, in halves."""
    if isinstance(piece.raw_outputs, Failure):
        yield from ((position, piece.raw_outputs) for position in piece.positions)
        return
    for done in Splitter(lambda part: _outputs(runner, part), table).answered(piece):
        if isinstance(done.raw_outputs, Failure):
            yield done.positions[0], done.raw_outputs
        else:
            outputs = zip(done.positions, done.raw_outputs, strict=True)
            yield from ((position, _outcome(output, table)) for position, output in outputs)


def _outputs(runner: Runner, piece: BatchPiece) -> list[Any]:
    outputs = runner.outputs(run(runner, piece) if piece.raw_outputs is None else piece.raw_outputs)
    if not isinstance(outputs, list):
        raise BadOutputError(f"The model returned a {type(outputs).__name__} instead of a list of outputs.")
    if len(outputs) != len(piece.positions):
        raise BadOutputError(f"The model returned {len(outputs)} outputs for {len(piece.positions)} inputs.")
    return outputs


def _outcome(output: Any, table: Table) -> Success | Failure:
    if isinstance(output, BaseException):
        return failure_of(output, table)
    try:
        return Success(stored_output(output))
    except BadOutputError as error:
        return failure_of(error, table)
