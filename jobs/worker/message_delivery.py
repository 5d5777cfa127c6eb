"""A delivery: one job of a message that this worker received, in the form that Celery's inspect expects."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar
from uuid import UUID

from kombu import Message

from jobs.broker.topology import model_of
from jobs.core.messages.envelope import TASK_NAME, Envelope
from jobs.services.lifecycle.standings import Pointer


class Parcel:
    """One received message and how many of its jobs are still open here.

    `received_at` is in monotonic seconds, and `slow` says that it came by the queue of a slow lane.
    `generation` is the number of the connection that its delivery tag belongs to. `unknown` means that one of
    its jobs has no row, so that the message ends in the dead-letter queue.
    """

    __slots__ = (
        "_acknowledged_in_bulk", "generation", "message", "open_jobs", "received_at", "slow", "unknown",
    )  # fmt: skip

    def __init__(self, message: Message, jobs: int, generation: int, *, slow: bool = False) -> None:
        self.message, self.open_jobs, self.generation, self.unknown = message, jobs, generation, False
        self._acknowledged_in_bulk = False
        self.received_at = time.monotonic()
        self.slow = slow

    @property
    def model(self) -> str:
        """Return the model whose queue it came by, as the broker says."""
        return model_of(self.message.delivery_info.get("routing_key"))

    @property
    def tag(self) -> int:
        """Return the message's delivery tag, unique on its channel."""
        return int(self.message.delivery_tag)

    @property
    def acknowledged(self) -> bool:
        """Return whether the broker knows that the message is done with."""
        return self._acknowledged_in_bulk or bool(self.message.acknowledged)

    def acknowledge_in_bulk(self) -> None:
        """Note that an ack of a later message covers this one."""
        self._acknowledged_in_bulk = True


class MessageDelivery:
    """One job that a message brought; `units` is what it adds to a batch, its length where that is padded."""

    __slots__ = ("__weakref__", "_eta_timer_entry", "done", "envelope", "eventer", "id", "parcel",
                 "started_at", "task", "units")  # fmt: skip
    name: ClassVar[str] = TASK_NAME
    type: ClassVar[str] = TASK_NAME

    def __init__(self, parcel: Parcel, envelope: Envelope, *, task: Any) -> None:
        self.parcel, self.envelope, self.task = parcel, envelope, task
        self.id, self._eta_timer_entry, self.done = str(envelope.job), None, False
        self.started_at: float | None = None
        self.units = max(envelope.size, 1)

    @property
    def job(self) -> UUID:
        """Return the id of the job that the message points at."""
        return self.envelope.job

    @property
    def pointer(self) -> Pointer:
        """Return what the message says of the job, and where it came by."""
        return Pointer(self.parcel.model, self.envelope)

    @property
    def slow(self) -> bool:
        """Return whether it came to the slow lane."""
        return self.parcel.slow

    @property
    def generation(self) -> int:
        """Return the number of the connection that brought it."""
        return self.parcel.generation

    @property
    def acknowledged(self) -> bool:
        """Return whether the broker knows that the message is done with."""
        return self.parcel.acknowledged

    def finish(self) -> Parcel | None:
        """Note, once, that this job is done with; return its message where no other job of it is open."""
        if self.done:
            return None
        self.done = True
        self.parcel.open_jobs -= 1
        return None if self.parcel.open_jobs else self.parcel

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Do nothing: the row of a cancelled job fences the verdict of its running batch."""

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  # Celery's signature
        """Return what `celery inspect active|reserved` prints: ids only, no input."""
        message = self.parcel.message
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "args": [],
            "kwargs": {"epoch": self.envelope.epoch, "version": self.envelope.version},
            "hostname": None,
            "time_start": self.started_at,
            "acknowledged": self.acknowledged,
            "delivery_info": {
                "routing_key": message.delivery_info.get("routing_key"),
                "priority": message.properties.get("priority"),
                "redelivered": message.delivery_info.get("redelivered"),
            },
            "worker_pid": os.getpid(),
        }

    def start(self) -> None:
        """Note the wall-clock time of the claim, for inspect."""
        self.started_at = time.time()
