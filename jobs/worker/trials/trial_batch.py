"""Runs items as one batch of a version through the worker's own stages, and measures the time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Outcome
from jobs.db.new_ids import new_id
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.quiet import quiet
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.execute import run_pieces
from jobs.worker.stages.grouped_pieces import make_pieces
from jobs.worker.stages.known_code import known_of
from jobs.worker.stages.settler import piece_outcomes
from jobs.worker.trials.trial_desk import BesideBatches
from models_registry.core.runner import Item
from models_registry.loaders.devices.own_device import own_device
from models_registry.loaders.fault_tables import table_of
from models_registry.loaders.ready import Loaded


class WorkerBrokenError(Exception):
    """A batch of a trial left the worker unfit to go on: its device is lost. Only a code is shown."""


class TrialRun(NamedTuple):
    """The outcomes of a batch by position, and how long collating, running and reading the outputs took."""

    outcomes: dict[int, Outcome]
    seconds: float


def run_items(
    beside: BesideBatches,
    loaded: Loaded,
    items: Mapping[int, Item],
    *,
    jobs: Sequence[Claimed] = (),
    guarded: bool = False,
) -> TrialRun:
    """Run items as one batch, halved where it fails until the guilty one stands alone; WorkerBrokenError.

    `guarded` inputs are confidential whatever the version says: nothing that it prints is shown.
    """
    batch = _batch(loaded, len(items), jobs)
    with quiet(on=guarded or batch.guarded):
        try:
            return _run(beside, batch, items)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the stages do not survive it
            raise WorkerBrokenError(known_of(error).code) from None


def _run(beside: BesideBatches, batch: ClaimedBatch, items: Mapping[int, Item]) -> TrialRun:
    assert batch.runner is not None  # noqa: S101  # of a loaded version
    outcomes: dict[int, Outcome] = {}
    with beside.running(batch):
        batch.run_began = started = time.monotonic()
        make_pieces(batch, items)
        run_pieces(batch)
        for piece in batch.pieces:
            outcomes |= piece_outcomes(batch.runner, piece, batch.table)
        seconds = time.monotonic() - started
    if own_device().loss is not None:
        raise own_device().error()
    return TrialRun(outcomes, seconds)


def _batch(loaded: Loaded, size: int, jobs: Sequence[Claimed]) -> ClaimedBatch:
    info = loaded.info
    options = info.platform_options
    return ClaimedBatch(
        new_id(),
        info.id,
        size,
        SealReason.IDLE,
        [],
        jobs=list(jobs),
        runner=loaded.runner,
        model=info.model,
        limit_s=options.batch_limit_s or 0.0,
        loaded=loaded,
        table=table_of(info.loader, refuse_nan=options.refuse_nan),
    )
