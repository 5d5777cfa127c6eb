"""The limits of a batch, the sealed batch, and the reasons to seal one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic

from jobs.core.batching.fair_queue import Token
from jobs.core.batching.lane_choice import Lane


class SealReason(StrEnum):
    """Why a batch was sealed at this time and with this size."""

    FULL = "full"
    DEADLINE = "deadline"
    SLO = "slo"
    IDLE = "idle"
    LINGER = "linger"
    DRAIN = "drain"
    MEMORY = "memory"
    BYTES = "bytes"
    SLICE = "slice"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The limits of a model version: items in a batch, and padded size of a batch (0 for no limit).

    `padded` means that a batch is padded to its longest item. `p95_goal_s` is the goal for the time from the
    arrival of an item at the worker to its answer; 0 for no goal. `max_input_bytes` is what the inputs of a
    batch may take of the worker's memory; 0 for no limit. `longest` is the size that a longer item has after
    the model cut it off; 0 where it cuts nothing, or where that is not known yet. `slow_slice_s` is how
    long a slow batch is to take where it is cut to a slice of time.
    """

    max_batch: int = 64
    max_padded_size: int = 0
    padded: bool = False
    p95_goal_s: float = 0.0
    max_input_bytes: int = 0
    longest: int = 0
    lane: Lane = Lane.FAST
    slow_slice_s: float = 0.5


@dataclass(frozen=True, slots=True)
class SealedBatch(Generic[Token]):
    """A batch of one key: its items in order, its padded size, and the reason and time of its seal.

    The items of an `isolation_group` other than 0 run while the worker holds no other batch. `sealed_at` is
    in seconds of the policy's clock. `slow` says that it is a batch of the slow lane.
    """

    key: Hashable
    tokens: list[Token]
    padded_size: int
    reason: SealReason
    waited_s: float
    isolation_group: int = 0
    sealed_at: float = 0.0
    slow: bool = False
