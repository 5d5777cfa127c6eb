"""A seeded workload of several versions, and what a policy seals of it."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping
from hashlib import sha256

from jobs.core.batching.lanes import Lanes
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch

LIMITS: Mapping[Hashable, BatchLimits] = {
    0: BatchLimits(8),
    1: BatchLimits(4, p95_goal_s=0.2),
    2: BatchLimits(6, 200, padded=True),
}
RUN_S = {0: 0.02, 1: 0.005, 2: 0.03}  # of a run, and a tenth of it for each item


def seals_of(policy: BatchPolicy[int], seed: int, lanes: int) -> list[tuple[Hashable, list[int], str]]:
    """Return the seals of 400 jobs: key, tokens and reason of each, in order."""
    dice, device, seals = random.Random(seed), Lanes(lanes), list[tuple[Hashable, list[int], str]]()
    ends: list[tuple[float, int, SealedBatch[int]]] = []
    now, token = 0.0, 0
    while token < 400 or len(policy) or ends:
        ends.sort(key=lambda end: end[0])
        gap_s = dice.choice([0.0, 0.001, 0.004, 0.02]) if token < 400 else 0.005
        now += gap_s
        while ends and ends[0][0] <= now:
            _, lane, batch = ends.pop(0)
            device.end(lane)
            policy.observe(batch.key, batch.padded_size, _seconds(batch))
        if token < 400:
            _add(policy, token, now, dice)
            token += 1
        idle = set(range(lanes)) - {lane for _, lane, _ in ends}
        sealed = policy.take(now, device_free_at=device.free_at(now)) if idle else None
        if sealed is not None:
            seals.append((sealed.key, sealed.tokens, sealed.reason.value))
            lane = min(idle)
            device.promise(_seconds(sealed))
            device.start(lane, now, _seconds(sealed))
            ends.append((now + _seconds(sealed), lane, sealed))
    return seals


def digest_of(seals: list[tuple[Hashable, list[int], str]]) -> str:
    """Return a short digest of seals."""
    return sha256(repr(seals).encode()).hexdigest()[:16]


def _seconds(batch: SealedBatch[int]) -> float:
    return RUN_S[int(str(batch.key))] * (1.0 + 0.1 * len(batch.tokens))


def _add(policy: BatchPolicy[int], token: int, now: float, dice: random.Random) -> None:
    policy.add(
        token,
        now,
        key=dice.choice([0, 0, 0, 1, 2]),
        parameters_digest=dice.choice([0, 0, 1]),
        size=dice.randint(1, 60),
        priority=dice.choice([0, 4, 4, 9]),
        client=dice.randint(0, 2),
        deadline_s=dice.choice([None, None, now + 0.3]),
    )
