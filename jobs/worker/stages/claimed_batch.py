"""What one stage passes to the next: a batch of deliveries that becomes claimed jobs, pieces, verdicts."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.cascades.step_ends import CascadeState
from jobs.core.failures import Failure, FailureKind
from jobs.core.stages import StageTimes
from jobs.core.states import State
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.rerouting.watched import WatchedVersion
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.batch_context import BatchContext
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.stages.privacy import Privacy
from models_registry.core.faults import Table
from models_registry.core.options import RetryOptions
from models_registry.core.runner import Item, Runner
from models_registry.loaders.fault_tables import COMMON
from models_registry.loaders.ready import Loaded


@dataclass(frozen=True, slots=True)
class Refused:
    """A delivery whose claim was refused, and the state of its job, None where there is no such job.

    `untrue` names what the message says of the job that is not so: it is a forgery.
    """

    delivery: MessageDelivery
    state: State | None
    untrue: tuple[str, ...] = ()


class Split(NamedTuple):
    """Several jobs that failed together, at `at` in monotonic seconds, so that each half was tried again."""

    at: float
    jobs: int
    kind: FailureKind


@dataclass(slots=True)
class BatchPiece:
    """Some jobs of a batch that run together; `positions` are their places in the batch.

    `collated` is the model's collated input where `is_collated`; collating ahead of the run may have failed.
    `raw_outputs` is the result of the run, or the one failure of all these jobs.
    """

    positions: list[int]
    items: list[Item]
    collated: Any = None
    is_collated: bool = False
    raw_outputs: Any | Failure = None


@dataclass(slots=True)
class ClaimedBatch:
    """One batch on its way through the stages; `oom_size` is the least padded size that did not fit.

    `loaded` is its version, which stays in memory for it. `busy_since` is when the stage that works on it
    began, in monotonic seconds, and `limit_s` how long the stage may take. It was sealed at `sealed_at`, its
    claim began at `claimed_at` and ended at `claim_ended`, and its inputs were collated at `collated_at`; its
    wait for a lane ended at `lane_ended`, and its run, where it has one, began at `run_began`. `load` is when
    its version's load began and ended, where its jobs waited for that, and `splits` are what failed together.
    Its results were committed at `settled_at`.
    `table` reads its loader's exceptions, `retry` is its version's policy, `context` is for a runner that
    takes one, and `privacy`, once the version is loaded, keeps its secrets. `verdicts` are what a
    settle could not store yet; `is_rest` means that its other jobs were stored before. `watches` are its
    version's parts in roll-outs at the claim, and `cascades` says where its jobs of cascades are in them.
    """

    id: UUID
    key: Hashable
    padded_size: int
    seal_reason: SealReason
    deliveries: list[MessageDelivery]
    jobs: list[Claimed] = field(default_factory=list)
    runner: Runner | None = None
    failure: Failure | None = None
    pieces: list[BatchPiece] = field(default_factory=list)
    model: str = ""
    isolation_group: int = 0
    limit_s: float = 0.0
    loaded: Loaded | None = None
    busy_since: float | None = None
    run_began: float | None = None
    sealed_at: float = 0.0
    claimed_at: float = 0.0
    claim_ended: float = 0.0
    collated_at: float = 0.0
    lane_ended: float = 0.0
    load: tuple[float, float] | None = None
    splits: list[Split] = field(default_factory=list)
    table: Table = COMMON
    retry: RetryOptions = field(default_factory=RetryOptions)
    claim_s: float = 0.0
    ran_s: float = 0.0
    settle_s: float = 0.0
    settled_at: float = 0.0
    is_rest: bool = False
    oom_size: int | None = None
    context: BatchContext | None = None
    privacy: Privacy | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    watches: tuple[WatchedVersion, ...] = ()
    cascades: dict[UUID, CascadeState] = field(default_factory=dict)

    @property
    def times(self) -> StageTimes:
        """Return how long it was in each stage; only of a batch that a lane has taken."""
        ran_s = None if self.run_began is None else self.ran_s
        return StageTimes(self.claim_ended - self.sealed_at, self.lane_ended - self.claim_ended, ran_s)

    def let_go(self) -> None:
        """Drop collated inputs and raw outputs, which may lie on the device.

        A stage that waits for its next batch still refers to its last one, for as long as no jobs come.
        """
        self.pieces = []

    @property
    def worked_since(self) -> float | None:
        """Return since when it may have used the device: kernels of a run go on while later stages work."""
        return self.run_began or self.busy_since

    @property
    def guarded(self) -> bool:
        """Return whether its version's data is confidential, so that nothing its model says may be shown."""
        return self.loaded is not None and self.loaded.info.secrecy.guarded

    @property
    def log_ids(self) -> dict[str, object]:
        """Return what log lines about it carry: its id, and its job's where it has only one."""
        return {"batch": self.id, "job": self.jobs[0].job} if len(self.jobs) == 1 else {"batch": self.id}

    def split_off(self, jobs: Collection[UUID]) -> ClaimedBatch:
        """Keep only `jobs`, and return a batch of the others."""
        pairs = list(zip(self.jobs, self.deliveries, strict=True))
        done = [pair for pair in pairs if pair[0].job not in jobs]
        left = [pair for pair in pairs if pair[0].job in jobs]
        self.jobs, self.deliveries = [job for job, _ in left], [delivery for _, delivery in left]
        split = replace(self, jobs=[job for job, _ in done], deliveries=[delivery for _, delivery in done])
        self.is_rest = True
        return split
