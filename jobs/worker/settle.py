"""Settle: raw outputs become verdicts, and one transaction stores them all."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from jobs.core.canonical import canonical_bytes
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry import Backoff, DeadLetter, decide
from jobs.store import settle as store
from jobs.store.claim import Claimed
from jobs.worker.claim import persist
from jobs.worker.execute import run
from jobs.worker.failure import failure_of
from jobs.worker.split import Splitter
from jobs.worker.work import Piece, Work
from models_registry.core.errors import BadOutputError
from models_registry.core.runner import Runner

_BACKOFF = Backoff()


class Settler:
    """The settle stage of one worker incarnation."""

    def __init__(self, engine: sa.Engine, stopping: Callable[[], bool]) -> None:
        self._engine, self._stopping = engine, stopping

    def settle(self, work: Work) -> tuple[list[store.Verdict], list[store.Settled]] | None:
        """Store the batch's verdicts; None where the worker stops before the database took them."""
        verdicts = verdicts_of(work)
        work.busy_since = None  # from here on only the database can be slow, and that is no batch that hangs
        settled = persist(
            self._engine,
            lambda c, _: store.settle(c, batch=work.id, verdicts=verdicts, ran_s=work.ran_s),
            stopping=self._stopping,
        )
        return None if settled is None else (verdicts, settled)


def verdicts_of(work: Work) -> list[store.Verdict]:
    """Return one verdict for each of the batch's jobs, in their order."""
    if work.failure is not None:
        return [_verdict(job, work.failure) for job in work.jobs]
    assert work.runner is not None  # noqa: S101  # the claim stage sets it or a failure
    outcomes: dict[int, Success | Failure] = {}
    for piece in work.pieces:
        outcomes |= _outcomes(work.runner, piece)
    return [_verdict(job, outcomes[at]) for at, job in enumerate(work.jobs)]


def _outcomes(runner: Runner, piece: Piece) -> Iterator[tuple[int, Success | Failure]]:
    """Yield each item's place and outcome; a piece whose outputs cannot be had is run again, split."""
    if isinstance(piece.raw, Failure):
        yield from ((at, piece.raw) for at in piece.at)
        return
    for done in Splitter(lambda part: _outputs(runner, part)).answered(piece):
        if isinstance(done.raw, Failure):
            yield done.at[0], done.raw
        else:
            yield from zip(done.at, map(_outcome, done.raw), strict=True)


def _outputs(runner: Runner, piece: Piece) -> list[Any]:
    outputs = runner.outputs(run(runner, piece) if piece.raw is None else piece.raw)
    if not isinstance(outputs, list):
        raise BadOutputError(f"The model gave a {type(outputs).__name__} instead of a list of outputs.")
    if len(outputs) != len(piece.at):
        raise BadOutputError(f"The model gave {len(outputs)} outputs for {len(piece.at)} inputs.")
    return outputs


def _outcome(output: Any) -> Success | Failure:
    if isinstance(output, Exception):
        return failure_of(output)
    try:
        return Success(canonical_bytes(output))
    except Exception as error:  # noqa: BLE001  # an object of the model's own may raise anything when read
        return failure_of(BadOutputError(f"The model's output cannot be stored: {error}"))


def _verdict(job: Claimed, outcome: Success | Failure) -> store.Verdict:
    if isinstance(outcome, Success):
        return store.Verdict(job.job, job.epoch, outcome)
    after = decide(
        outcome.kind,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        backoff=_BACKOFF,
        chance=random.random(),  # noqa: S311  # jitter, not a secret
    )
    if isinstance(after, DeadLetter) and outcome.kind is FailureKind.INTERNAL:
        # It raised alone at every attempt it was given.
        outcome = dataclasses.replace(outcome, kind=FailureKind.POISON)
    return store.Verdict(job.job, job.epoch, outcome, after)
