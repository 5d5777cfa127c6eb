"""What a batch is bounded by, what it is once sealed, and the reasons that seal it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic

from jobs.core.batching.fair_queue import Token


class SealReason(StrEnum):
    """Why a batch was sealed when it was, and no larger than it was."""

    FULL = "full"
    DEADLINE = "deadline"
    SLO = "slo"
    IDLE = "idle"
    LINGER = "linger"
    DRAIN = "drain"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A model version's bounds: items a batch, padded size a batch (0: none), and whether length matters.

    `p95_goal_s` is how soon after it reached the worker an item is to be answered; 0 for no such goal.
    """

    max_batch: int = 64
    max_padded_size: int = 0
    padded: bool = False
    p95_goal_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SealedBatch(Generic[Token]):
    """A batch of one key: its items in order, its padded size, and why it was sealed now.

    `isolation_group` is 0, or the group whose items run with nothing else in the worker's hands.
    """

    key: Hashable
    tokens: list[Token]
    padded_size: int
    reason: SealReason
    waited_s: float
    isolation_group: int = 0
