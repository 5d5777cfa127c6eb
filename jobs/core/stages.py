"""The stages between a job's creation and its end, and how long a job was in each.

    admit    first byte of the request until its commit
    outbox   commit, or the time when the job is due, until a relay takes it to publish it
    broker   from there until a worker has received the message
    buffer   until the worker seals the batch
    claim    until the batch's jobs are running in the database, and their inputs are here
    lane     until a lane of the device takes the batch; inputs are decoded and collated meanwhile
    run      the model
    settle   until the results are committed
    tell     from there until the answer is sent

The stages from outbox to settle leave no gap and do not overlap: what one lacks, its neighbour has.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """A part of a job's road."""

    ADMIT = "admit"
    OUTBOX = "outbox"
    BROKER = "broker"
    BUFFER = "buffer"
    CLAIM = "claim"
    LANE = "lane"
    RUN = "run"
    SETTLE = "settle"
    TELL = "tell"


class StageTimes(NamedTuple):
    """Seconds from the seal to the claim's end, from there to the run, and of the run; None: it had none."""

    claim_s: float | None = None
    lane_s: float | None = None
    ran_s: float | None = None


NO_TIMES = StageTimes()


class Waits(NamedTuple):
    """Seconds that a job waited before its batch was sealed."""

    outbox_s: float
    broker_s: float
    buffer_s: float


def waits(
    *, due_ago_s: float, published_ago_s: float | None, buffered_s: float, sealed_ago_s: float
) -> Waits:
    """Split the seconds from a job's due time until the seal of its batch, which add up to them.

    The arguments but `buffered_s`, from receipt to seal, count back from the claim. A copy that was published
    after the receipt of the one that was claimed counts as published at the receipt.
    """
    since_due_s = max(due_ago_s - sealed_ago_s, 0.0)
    buffer_s = min(max(buffered_s, 0.0), since_due_s)
    before_s = since_due_s - buffer_s
    published_s = before_s if published_ago_s is None else published_ago_s - sealed_ago_s - buffer_s
    broker_s = min(max(published_s, 0.0), before_s)
    return Waits(before_s - broker_s, broker_s, buffer_s)
