"""Claim: a sealed batch becomes running jobs with decoded inputs; refused deliveries are returned.

After a database error the claim is tried again until it succeeds. The buffer is bounded, so the worker stops
consuming by itself until the database is back.
"""

from __future__ import annotations

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from uuid import UUID

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError

from jobs.core.batching.sealed_batch import SealedBatch
from jobs.core.ids import uuid7
from jobs.core.messages.envelope import NEWER
from jobs.core.states import State
from jobs.db import database_clock
from jobs.services.lifecycle import claim as store
from jobs.worker.circuit_monitor import CircuitMonitor, hold
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.stages.claimed_batch import BatchPiece, ClaimedBatch, Refused
from jobs.worker.stages.execute import failure_of
from jobs.worker.stages.persist import persist
from jobs.worker.stages.privacy import Privacy
from models_registry.core.runner import Item
from models_registry.loaders.fault_tables import table_of
from models_registry.pool import ModelPool
from models_registry.shared.platform_errors import PlatformError

logger = logging.getLogger(__name__)
HOLD_S = 0.5
NEWER_HOLD_S = 10.0
UNLOADED_S = 5.0  # a job whose version this worker cannot load is published again after so long
LOCKED_S = 1.0  # a job whose row is locked is published again after so long


class Claimer:
    """The claim stage of one worker incarnation."""

    def __init__(
        self,
        engine: sa.Engine,
        worker: UUID,
        pool: ModelPool,
        stopping: Callable[[], bool],
        circuits: CircuitMonitor,
    ) -> None:
        self._engine, self._worker, self._pool, self._stopping = engine, worker, pool, stopping
        self._circuits = circuits
        self.claiming: UUID | None = None  # the batch whose claim is under way

    def claim(self, sealed: SealedBatch[MessageDelivery]) -> tuple[ClaimedBatch, list[Refused]]:
        """Return the batch with its claimed jobs, and the deliveries that no claim took."""
        batch = ClaimedBatch(
            _new_id(),
            sealed.key,
            sealed.padded_size,
            sealed.reason,
            sealed.tokens,
            isolation_group=sealed.isolation_group,
        )
        batch.claimed_at = time.monotonic()
        self.claiming = batch.id
        tokens, held = self._without_held(sealed)
        if not tokens:
            return batch, held
        if not self.lease(batch):
            return batch, [*held, *self._held(tokens, UNLOADED_S)]
        row = self._row(batch, sealed)
        newest = {d.job: d for d in sorted(tokens, key=lambda d: d.envelope.epoch)}
        jobs = persist(self._engine, lambda c, tries: _claim(c, row, newest, tries), stopping=self._stopping)
        if not jobs:
            self.done(batch)
        if jobs is None:
            return batch, held
        batch.jobs, batch.deliveries = jobs, [newest[job.job] for job in jobs]
        claimed = set(map(id, batch.deliveries))
        return batch, [*held, *self._refused([d for d in tokens if id(d) not in claimed])]

    def prepare(self, batch: ClaimedBatch) -> None:
        """Decode the inputs, group by compatibility and collate ahead."""
        loaded = batch.loaded
        assert loaded is not None  # noqa: S101  # nothing is claimed without a lease
        batch.runner, batch.model = loaded.runner, loaded.info.model
        options = loaded.info.platform_options
        batch.limit_s, batch.retry = options.batch_limit_s or 0.0, options.retry
        batch.table = table_of(loaded.info.loader, refuse_nan=options.refuse_nan)
        batch.privacy = Privacy(loaded.info, batch.jobs)
        batch.pieces = _grouped(batch, batch.privacy.items)
        for piece in batch.pieces:
            if piece.raw_outputs is None:
                _collate(batch, piece)

    def lease(self, batch: ClaimedBatch) -> bool:
        """Load the batch's version and keep it for the batch; False where this worker cannot load it now.

        Nothing is claimed yet, so that a version that does not load here costs no job an attempt. While the
        registry cannot be read, wait for the database.
        """
        while not self._stopping():
            try:
                batch.loaded = self._pool.acquire(int(str(batch.key)))
            except PlatformError:
                return False
            except DjangoDatabaseError as error:
                logger.warning("the registry cannot be read: %s", error.__class__.__name__)
                time.sleep(HOLD_S)
            else:
                return True
        return False

    def done(self, batch: ClaimedBatch) -> None:
        """Let the batch's version leave memory if others need the room."""
        if batch.loaded is not None:
            batch.loaded = None
            self._pool.release(int(str(batch.key)))

    def _row(self, batch: ClaimedBatch, sealed: SealedBatch[MessageDelivery]) -> store.BatchRow:
        return store.BatchRow(
            id=batch.id,
            worker=self._worker,
            version=int(str(sealed.key)),
            padded_size=sealed.padded_size,
            seal_reason=sealed.reason.value,
            waited_s=sealed.waited_s,
            isolation_group=sealed.isolation_group,
        )

    def _without_held(
        self, sealed: SealedBatch[MessageDelivery]
    ) -> tuple[list[MessageDelivery], list[Refused]]:
        """Return the deliveries that may run, and those that circuits hold, which are put back."""
        version, by_hold_s = int(str(sealed.key)), defaultdict[float, list[MessageDelivery]](list)
        clients = {delivery.envelope.client for delivery in sealed.tokens}
        hold_s = {client: self._hold_s(version, client) for client in clients}
        for delivery in sealed.tokens:
            by_hold_s[hold_s[delivery.envelope.client]].append(delivery)
        free = by_hold_s.pop(0.0, [])
        return free, [held for s, group in by_hold_s.items() for held in self._held(group, s)]

    def _hold_s(self, version: int, client: int) -> float:
        # Later, a worker of the publisher's release may take it.
        return NEWER_HOLD_S if version == NEWER else self._circuits.hold_s(version, client)

    def _held(self, deliveries: list[MessageDelivery], hold_s: float) -> list[Refused]:
        """Leave jobs that may not run here now in the outbox for later; return their messages as refused."""
        envelopes = [delivery.envelope for delivery in deliveries]
        stored = persist(self._engine, lambda c, _: hold(c, envelopes, hold_s), stopping=self._stopping)
        return [Refused(delivery, State.QUEUED) for delivery in deliveries] if stored else []

    def _refused(self, deliveries: list[MessageDelivery]) -> list[Refused]:
        if not deliveries:
            return []
        newest = sorted(deliveries, key=lambda d: d.envelope.epoch)
        epochs = {delivery.job: delivery.envelope.epoch for delivery in newest}
        known = persist(self._engine, lambda c, _: store.standings(c, epochs=epochs), stopping=self._stopping)
        if known is None:
            return []
        locked = [d for d in deliveries if d.job in known and known[d.job].claimable]
        if locked and not self._leave(locked):
            return []
        return [Refused(d, known[d.job].state if d.job in known else None) for d in deliveries]

    def _leave(self, deliveries: list[MessageDelivery]) -> bool:
        """Let the relay publish jobs again whose rows are locked; their outbox rows live on."""
        logger.warning("%d jobs are locked by another transaction: they come again", len(deliveries))
        envelopes = [delivery.envelope for delivery in deliveries]
        left = persist(self._engine, lambda c, _: hold(c, envelopes, LOCKED_S), stopping=self._stopping)
        return bool(left)


def _claim(
    connection: sa.Connection, row: store.BatchRow, newest: dict[UUID, MessageDelivery], tries: int
) -> list[store.Claimed]:
    """Claim; on a later try, first look whether an earlier claim was stored and only its answer was lost."""
    if tries:
        recovered = store.recover(connection, batch=row.id, jobs=list(newest))
        if recovered:
            return recovered
        withheld = store.withheld(connection, jobs=list(newest))
        newest = {job: delivery for job, delivery in newest.items() if job not in withheld}
        if not newest:
            return []
    return store.claim(connection, batch=row, envelopes=[d.envelope for d in newest.values()])


def _new_id() -> UUID:
    return uuid7(database_clock.now_ms(), random.getrandbits(74))  # an id, not a secret


def _grouped(batch: ClaimedBatch, items: Mapping[int, Item]) -> list[BatchPiece]:
    assert batch.runner is not None  # noqa: S101  # set by `prepare` just above
    groups: dict[object, BatchPiece] = {}
    failed: list[BatchPiece] = []
    for position, item in items.items():
        try:
            piece = groups.setdefault(batch.runner.key(item), BatchPiece([], []))
        except BaseException as error:  # noqa: BLE001  # a model may raise anything; its neighbours run
            failed.append(BatchPiece([position], [item], raw_outputs=failure_of(error, batch.table)))
            continue
        piece.positions.append(position)
        piece.items.append(item)
    return [*groups.values(), *failed]


def _collate(batch: ClaimedBatch, piece: BatchPiece) -> None:
    assert batch.runner is not None  # noqa: S101
    try:
        piece.collated, piece.is_collated = batch.runner.collate(piece.items), True
    except BaseException:  # noqa: BLE001  # the run stage collates again, splitting down to the guilty item
        piece.is_collated = False
