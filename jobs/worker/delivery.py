"""A delivery: one message in this worker's hands, in the form that Celery's inspect and control look at."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar
from uuid import UUID

from kombu import Message

from jobs.core.envelope import TASK_NAME, Envelope


class Delivery:
    """One received message; `generation` tells which connection its delivery tag belongs to."""

    __slots__ = ("__weakref__", "_eta_timer_entry", "envelope", "eventer", "generation", "id", "message",
                 "started_at", "task")  # fmt: skip
    name: ClassVar[str] = TASK_NAME
    type: ClassVar[str] = TASK_NAME

    def __init__(self, message: Message, envelope: Envelope, *, task: Any, generation: int) -> None:
        self.message, self.envelope, self.task, self.generation = message, envelope, task, generation
        self.id, self._eta_timer_entry = str(envelope.job), None
        self.started_at: float | None = None

    @property
    def job(self) -> UUID:
        """Return the id of the job that the message points at."""
        return self.envelope.job

    @property
    def acknowledged(self) -> bool:
        """Say whether the broker was told that this message is done with."""
        return bool(self.message.acknowledged)

    def settled_in_bulk(self) -> None:
        """Note that an ack of a later delivery covered this one."""
        self.message._state = "ACK"  # noqa: SLF001  # kombu has no other way to say it

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Do nothing: a job in a running batch is cancelled through its row, which fences its verdict."""

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  # Celery's signature
        """Return what `celery inspect active|reserved` prints: ids only, no input."""
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
                "routing_key": self.message.delivery_info.get("routing_key"),
                "priority": self.message.properties.get("priority"),
                "redelivered": self.message.delivery_info.get("redelivered"),
            },
            "worker_pid": os.getpid(),
        }

    def start(self) -> None:
        """Note the wall-clock time of the claim, for inspect."""
        self.started_at = time.time()
