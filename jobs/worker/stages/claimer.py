"""Claim: a sealed batch becomes running jobs with decoded inputs; refused deliveries are returned.

After a database error the claim is tried again until it succeeds. The buffer is bounded, so the worker stops
consuming by itself until the database is back.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa
from django.conf import settings

from jobs.core.batching.sealed_batch import SealedBatch
from jobs.core.cascades.mark import is_marked
from jobs.core.log_context import about
from jobs.core.messages.envelope import NEWER
from jobs.core.states import State
from jobs.core.submission.input_size import MOST_SIZE
from jobs.db.new_ids import new_id
from jobs.db.single_statements import SingleStatements
from jobs.services.lifecycle import claim as store
from jobs.services.lifecycle.cascading.step_rows import CascadePlans
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.rerouting.claim_gate import GatedClaim
from jobs.services.lifecycle.standings import Standing, standings
from jobs.worker.circuit_monitor import CircuitMonitor, hold
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.rollout_monitor import RolloutMonitor
from jobs.worker.stages.awaited_loads import AwaitedLoads
from jobs.worker.stages.claim_rows import claim, claim_again, claim_gated
from jobs.worker.stages.claimed_batch import ClaimedBatch, Refused
from jobs.worker.stages.grouped_pieces import make_pieces
from jobs.worker.stages.persist import persist, try_once
from jobs.worker.stages.privacy import Privacy
from models_registry.core.runner import takes_files
from models_registry.loaders.fault_tables import table_of
from models_registry.pool import ModelPool

logger = logging.getLogger(__name__)
NEWER_HOLD_S = 10.0
UNLOADED_S = 5.0  # a job whose version this worker cannot load is published again after so long
LOCKED_S = 1.0  # a job whose row is locked is published again after so long


class Claimer:
    """The claim stage of one worker incarnation."""

    def __init__(  # noqa: PLR0913, PLR0917  # what the stage works with, made once in `process`
        self,
        engine: sa.Engine,
        worker: UUID,
        pool: ModelPool,
        stopping: Callable[[], bool],
        circuits: CircuitMonitor,
        loads: AwaitedLoads,
        rollouts: RolloutMonitor,
    ) -> None:
        self._engine, self._worker, self._pool, self._stopping = engine, worker, pool, stopping
        self._circuits, self._loads, self._rollouts = circuits, loads, rollouts
        self._statements = SingleStatements(engine)
        self._cascades = CascadePlans()
        self.claiming: UUID | None = None  # the batch whose claim is under way

    def claim(self, sealed: SealedBatch[MessageDelivery]) -> tuple[ClaimedBatch, list[Refused]]:
        """Return the batch with its claimed jobs, and the deliveries that no claim took."""
        batch = ClaimedBatch(
            new_id(),
            sealed.key,
            sealed.padded_size,
            sealed.reason,
            sealed.tokens,
            isolation_group=sealed.isolation_group,
            sealed_at=sealed.sealed_at,
        )
        batch.claimed_at = time.monotonic()
        self.claiming = batch.id
        with about(**batch.log_ids):
            return self._claimed(batch, sealed)

    def _claimed(
        self, batch: ClaimedBatch, sealed: SealedBatch[MessageDelivery]
    ) -> tuple[ClaimedBatch, list[Refused]]:
        tokens, refused = self._true(sealed)
        tokens, held = self._without_held(sealed, tokens)
        refused += held
        if not tokens:
            return batch, refused
        if not self.lease(batch):
            return batch, [*refused, *self._unloaded(int(str(batch.key)), tokens)]
        row = self._row(batch, sealed)
        own = [d for d in tokens if d.parcel.model == row.model]
        batch.watches = self._rollouts.watches(row.version)
        done = self._claim(batch, row, own) if self._placed(batch, row.version, own) else None
        if done is None or not done.jobs:
            self.done(batch)
        if done is None:
            return batch, refused
        batch.model = row.model
        by_key = {_key(delivery): delivery for delivery in own}
        batch.jobs = done.jobs
        batch.deliveries = [by_key[job.job, job.epoch - 1, job.client] for job in done.jobs]
        put_off = {job: seconds for seconds, jobs in done.held.items() for job in jobs}
        claimed = set(map(id, batch.deliveries))
        for_later = defaultdict[float, list[MessageDelivery]](list)
        for delivery in tokens:
            if id(delivery) not in claimed:
                for_later[put_off.get(delivery.job, LOCKED_S)].append(delivery)
        return batch, [*refused, *(r for s, group in for_later.items() for r in self._answered(group, s))]

    def _placed(self, batch: ClaimedBatch, version: int, deliveries: list[MessageDelivery]) -> bool:
        """Read where jobs of cascades are, of which the messages say that they are some; False at the stop.

        It holds for the claim: whatever changes it changes the job's epoch, too.
        """
        jobs = [d.job for d in deliveries if is_marked(d.envelope.parameters_digest)]
        if not jobs:
            return True
        places = persist(
            self._engine, lambda c, _: self._cascades.states(c, jobs, version), stopping=self._stopping
        )
        batch.cascades = places or {}
        return places is not None

    def _claim(
        self, batch: ClaimedBatch, row: store.BatchRow, deliveries: list[MessageDelivery]
    ) -> GatedClaim | None:
        """Claim in one round trip, or through the claim gate where a roll-out limits the version.

        Only after trouble in transactions, which look what the trouble left; None where the worker stops.
        """
        rollouts = [watch.rollout for watch in batch.watches if watch.gated]
        if rollouts and deliveries:
            return persist(
                self._engine,
                lambda c, tries: claim_gated(c, row, deliveries, rollouts, again=tries > 0),
                stopping=self._stopping,
            )
        jobs = try_once(self._statements, lambda c: claim(c, row, deliveries), engine=self._engine)
        if jobs is None:
            jobs = persist(
                self._engine, lambda c, _: claim_again(c, row, deliveries), stopping=self._stopping
            )
        return None if jobs is None else GatedClaim(jobs)

    def prepare(self, batch: ClaimedBatch) -> list[Refused]:
        """Decode the inputs, group by compatibility and collate ahead.

        Jobs whose inputs do not fit the memory of a batch are queued again, uncharged; return their messages.
        """
        loaded = batch.loaded
        assert loaded is not None  # noqa: S101  # nothing is claimed without a lease
        batch.runner, batch.model = loaded.runner, loaded.info.model
        options = loaded.info.platform_options
        batch.limit_s, batch.retry = _limit_s(batch, options.batch_limit_s or 0.0), options.retry
        batch.table = table_of(loaded.info.loader, refuse_nan=options.refuse_nan)
        batch.privacy = Privacy(loaded.info, batch.jobs, as_files=takes_files(loaded.runner))
        left = self._give_back(batch, batch.privacy)
        make_pieces(batch, batch.privacy.items)
        return left

    def _give_back(self, batch: ClaimedBatch, privacy: Privacy) -> list[Refused]:
        """Release the jobs that were not read; those whose rows are locked stay in the batch."""
        at, jobs = privacy.full_at, [(job.job, job.epoch) for job in batch.jobs[privacy.full_at :]]
        if not jobs:
            return []
        logger.warning("%d jobs of a batch are left for another: their inputs are large", len(jobs))
        group, busy = batch.isolation_group, batch.busy_since is not None
        batch.busy_since = None  # a slow database is not a batch that hangs
        released = persist(
            self._engine,
            lambda c, _: release(c, batch=batch.id, jobs=jobs, isolation_group=group),
            stopping=self._stopping,
        )
        batch.busy_since = time.monotonic() if busy else None
        gone = frozenset(released or ())
        refused = [Refused(delivery, State.QUEUED) for delivery in batch.deliveries if delivery.job in gone]
        batch.deliveries = [delivery for delivery in batch.deliveries if delivery.job not in gone]
        batch.jobs = [job for job in batch.jobs if job.job not in gone]
        batch.padded_size = len(batch.jobs) * max(delivery.units for delivery in batch.deliveries)
        privacy.leave(at, len(batch.jobs) - at)
        return refused

    def lease(self, batch: ClaimedBatch) -> bool:
        """Keep the batch's version in memory for it; False where it is not loaded.

        Nothing is claimed yet, so that a version that is not loaded here costs no job an attempt.
        """
        version = int(str(batch.key))
        batch.loaded = self._pool.hold(version, promised=self._loads.promised(version))
        if batch.loaded is None:
            return False
        batch.load = self._loads.taken(version)
        return True

    def _unloaded(self, version: int, deliveries: list[MessageDelivery]) -> list[Refused]:
        """Let up to one batch wait here for the load; put back what is beyond, or cannot be loaded now."""
        if self._pool.retry_in_s(version):
            return self._held(deliveries, UNLOADED_S)
        if self._loads.keep(version, deliveries):
            return []
        return self._held(deliveries, self._loads.put_back_s(version))

    def done(self, batch: ClaimedBatch) -> None:
        """Let the batch's version leave memory if others need the room."""
        batch.let_go()
        if batch.loaded is not None:
            batch.loaded = batch.runner = None  # before: the release may free the weights
            self._pool.release(int(str(batch.key)))

    def _row(self, batch: ClaimedBatch, sealed: SealedBatch[MessageDelivery]) -> store.BatchRow:
        assert batch.loaded is not None  # noqa: S101  # nothing is claimed without a lease
        return store.BatchRow(
            id=batch.id,
            worker=self._worker,
            version=int(str(sealed.key)),
            padded_size=min(sealed.padded_size, MOST_SIZE),
            seal_reason=sealed.reason.value,
            waited_s=sealed.waited_s,
            isolation_group=sealed.isolation_group,
            model=batch.loaded.info.model,
            sealed_at=sealed.sealed_at,
            slow=sealed.tokens[0].slow,
        )

    def _true(self, sealed: SealedBatch[MessageDelivery]) -> tuple[list[MessageDelivery], list[Refused]]:
        """Return the deliveries that may be claimed, and forgeries, where the claim would load their version.

        A claim refuses forgeries too; this keeps them from choosing what this worker loads.
        """
        if self._pool.has(int(str(sealed.key))):
            return sealed.tokens, []
        rows = self._standings(sealed.tokens)
        pairs = list(zip(sealed.tokens, rows, strict=True)) if rows else []
        forged = [_refusal(delivery, standing) for delivery, standing in pairs if _is_forged(standing)]
        return [delivery for delivery, standing in pairs if not _is_forged(standing)], forged

    def _standings(self, deliveries: list[MessageDelivery]) -> list[Standing | None] | None:
        pointers = [delivery.pointer for delivery in deliveries]
        return persist(self._engine, lambda c, _: standings(c, pointers=pointers), stopping=self._stopping)

    def _without_held(
        self, sealed: SealedBatch[MessageDelivery], tokens: list[MessageDelivery]
    ) -> tuple[list[MessageDelivery], list[Refused]]:
        """Return the deliveries that may run, and those that circuits hold, which are put back."""
        version, by_hold_s = int(str(sealed.key)), defaultdict[float, list[MessageDelivery]](list)
        clients = {delivery.envelope.client for delivery in tokens}
        hold_s = {client: self._hold_s(version, client) for client in clients}
        for delivery in tokens:
            by_hold_s[hold_s[delivery.envelope.client]].append(delivery)
        free = by_hold_s.pop(0.0, [])
        return free, [held for s, group in by_hold_s.items() for held in self._held(group, s)]

    def _hold_s(self, version: int, client: int) -> float:
        # Later, a worker of the publisher's release may take it.
        return NEWER_HOLD_S if version == NEWER else self._circuits.hold_s(version, client)

    def _held(self, deliveries: list[MessageDelivery], hold_s: float) -> list[Refused]:
        """Leave jobs that may not run here now in the outbox for later; return their messages as refused."""
        return self._answered(deliveries, hold_s)

    def _answered(self, deliveries: list[MessageDelivery], later_s: float) -> list[Refused]:
        """Return what no claim took as refused; the relay publishes again what is only locked, or held."""
        rows = self._standings(deliveries)
        if rows is None:
            return []
        pairs = list(zip(deliveries, rows, strict=True))
        back = [delivery.envelope for delivery, standing in pairs if standing and standing.claimable]
        if back:
            logger.warning("%d jobs cannot be claimed now: they come again in %g s", len(back), later_s)
            if not persist(self._engine, lambda c, _: hold(c, back, later_s), stopping=self._stopping):
                return []
        return [_refusal(*pair) for pair in pairs]


def _limit_s(batch: ClaimedBatch, own_s: float) -> float:
    """Return how long a batch may take: `own_s` (0: the default), but less where its version is unproven."""
    limits = [watch.limit_s for watch in batch.watches if watch.limit_s]
    return min(own_s or settings.INFERENCE.batch_limit_s, *limits) if limits else own_s


def _key(delivery: MessageDelivery) -> tuple[UUID, int, int]:
    """Return what distinguishes a message from forgeries of it that are in the same batch."""
    return delivery.job, delivery.envelope.epoch, delivery.envelope.client


def _is_forged(standing: Standing | None) -> bool:
    return standing is None or bool(standing.untrue)


def _refusal(delivery: MessageDelivery, standing: Standing | None) -> Refused:
    """Return the refusal of a delivery, with what is untrue in it."""
    if standing is None:
        return Refused(delivery, None)
    return Refused(delivery, None if standing.untrue else standing.state, standing.untrue)
