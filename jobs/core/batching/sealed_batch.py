"""The bounds of a batch, a sealed batch, and the reasons to seal it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic

from jobs.core.batching.fair_queue import Token


class SealReason(StrEnum):
    """Why a batch was sealed at that time and no larger."""

    FULL = "full"
    DEADLINE = "deadline"
    SLO = "slo"
    IDLE = "idle"
    LINGER = "linger"
    DRAIN = "drain"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A model version's bounds for a batch: items, padded size (0: none), and whether length matters.

    `p95_goal_s` is the goal for the time from an item's arrival at the worker to its result; 0 for none.
    """

    max_batch: int = 64
    max_padded_size: int = 0
    padded: bool = False
    p95_goal_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SealedBatch(Generic[Token]):
    """A batch of one key: its items in order, its padded size, and why it was sealed now.

    `isolation_group` is 0, or the group whose items run while the worker holds no others.
    """

    key: Hashable
    tokens: list[Token]
    padded_size: int
    reason: SealReason
    waited_s: float
    isolation_group: int = 0
