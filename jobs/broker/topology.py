"""The broker's exchanges and queues, declared once, as data, with who declares, fills and empties each.

No queue name is spelled anywhere else: `broker_queues` declares what stands here, Celery's configuration and
the stack's commands take their names from it, and `permissions` makes the broker users' rights of it. Only
the standard library is imported, so that a process without kombu or Django can read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from jobs.core.priority import MAX_BROKER_PRIORITY
from jobs.core.queue_names import is_slow, model_of_queue


class BrokerUser(StrEnum):
    """A kind of process that logs in to the broker as a user of its own; web processes never log in."""

    RELAY = "relay"
    WORKER = "worker"
    CPU_WORKER = "cpu-worker"
    BEAT = "beat"
    MONITOR = "monitor"
    OPERATOR = "operator"


@dataclass(frozen=True)
class ExchangeSpec:
    """An exchange; Celery's own are transient."""

    name: str
    kind: str = "direct"
    durable: bool = True


@dataclass(frozen=True)
class QueueSpec:
    """A durable queue, the exchange and routing key it is bound by, and its arguments."""

    name: str
    exchange: ExchangeSpec
    routing_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


INFER = ExchangeSpec("infer")
INFER_DEAD = ExchangeSpec("infer.dlx")
# Exchanges are named unlike their queues, so that a right to read a queue includes no right to publish to it.
CPU = QueueSpec("cpu", ExchangeSpec("tasks.cpu"), "cpu")
WEBHOOKS = QueueSpec("webhooks", ExchangeSpec("tasks.webhooks"), "webhooks")
TASK_QUEUES = (CPU, WEBHOOKS)
CLASSIC = "classic"

# What Celery declares by itself, for events, control commands and the replies to them.
EVENTS = ExchangeSpec("celeryev", "topic")
CONTROL = ExchangeSpec("celery.pidbox", "fanout", durable=False)
REPLIES = ExchangeSpec("reply.celery.pidbox", durable=False)
GPU_NODE, CPU_NODE = "gpu", "cpu"  # the first part of a Celery node's name, before `@` and the host


def gpu_node(index: int, host: str) -> str:
    """Return the name of a GPU worker's Celery node; `index` distinguishes the workers of a host."""
    return f"{GPU_NODE}-{index}@{host}"


def queue_name(queue: str) -> str:
    """Return the broker's name of a queue: a model's, or with `slow_queue` that of its slow lane."""
    return f"{INFER.name}.{queue}"


def model_of(routing_key: object) -> str:
    """Return the model that a message was published for, by its routing key or by its queue's name."""
    return model_of_queue(str(routing_key).removeprefix(f"{INFER.name}."))


def is_slow_queue(routing_key: object) -> bool:
    """Return whether a routing key, or a queue's name, is that of a slow lane."""
    return is_slow(str(routing_key))


def dead_queue_name(model: str) -> str:
    """Return the queue that the model's dead letters and malformed messages land in."""
    return f"{queue_name(model)}.dead"


def queue_specs(queue: str, queue_type: str) -> tuple[QueueSpec, QueueSpec]:
    """Return a queue, a model's or that of its slow lane, and the model's one dead-letter queue.

    `queue_type` is `classic` or `quorum`.
    """
    # Always named: a virtual host may have another type for queues that name none.
    kind = {"x-queue-type": queue_type}
    dead = dead_queue_name(model_of_queue(queue))
    dead_letters = {"x-dead-letter-exchange": INFER_DEAD.name, "x-dead-letter-routing-key": dead}
    # RabbitMQ 3.10 refuses x-max-priority on a quorum queue; later ones need none.
    levels = {"x-max-priority": MAX_BROKER_PRIORITY} if queue_type == CLASSIC else {}
    live = QueueSpec(queue_name(queue), INFER, queue, {**kind, **levels, **dead_letters})
    return live, QueueSpec(dead, INFER_DEAD, dead, kind)


def task_queue_spec(queue: QueueSpec, queue_type: str) -> QueueSpec:
    """Return a queue of ordinary tasks with its type; a classic one goes away with its node."""
    return replace(queue, arguments={"x-queue-type": queue_type})


Users = frozenset[BrokerUser]


@dataclass(frozen=True, kw_only=True)
class QueueUse:
    """Queues of one kind, by a regular expression of their names, and what each process does with them.

    Users in `declared_by` also bind it to `exchange`; those in `filled_by` publish there. Users in `bound_by`
    make the queue and bind it, but the exchange is made for them: who may declare one may delete it too.
    A topic exchange takes routing keys that match `keys`, and no others.
    """

    names: str
    exchange: ExchangeSpec
    declared_by: Users
    filled_by: Users
    emptied_by: Users
    bound_by: Users = frozenset()
    dead_letters: ExchangeSpec | None = None
    keys: str = ""


def _users(*users: BrokerUser) -> Users:
    return frozenset(users)


_CELERY_WORKERS = _users(BrokerUser.WORKER, BrokerUser.CPU_WORKER)
_CALLERS = _users(BrokerUser.OPERATOR)  # of Celery's inspect commands; workers answer no others
_DECLARERS = _users(BrokerUser.RELAY, BrokerUser.WORKER, BrokerUser.OPERATOR)

QUEUE_USES = (
    QueueUse(
        names=r"infer\.(?!.*\.dead$).+",
        exchange=INFER,
        declared_by=_DECLARERS,
        filled_by=_users(BrokerUser.RELAY),
        emptied_by=_users(BrokerUser.WORKER),
        dead_letters=INFER_DEAD,
    ),
    QueueUse(
        names=r"infer\..+\.dead",
        exchange=INFER_DEAD,
        declared_by=_DECLARERS,
        filled_by=_users(BrokerUser.RELAY),
        emptied_by=_users(BrokerUser.OPERATOR, BrokerUser.CPU_WORKER),  # it drops what is stale each night
    ),
    QueueUse(
        names=re.escape(WEBHOOKS.name),
        exchange=WEBHOOKS.exchange,
        declared_by=_users(BrokerUser.RELAY, BrokerUser.CPU_WORKER),
        filled_by=_users(BrokerUser.RELAY),
        emptied_by=_users(BrokerUser.CPU_WORKER),
    ),
    QueueUse(
        names=re.escape(CPU.name),
        exchange=CPU.exchange,
        declared_by=_users(BrokerUser.BEAT, BrokerUser.CPU_WORKER),
        filled_by=_users(BrokerUser.BEAT),
        emptied_by=_users(BrokerUser.CPU_WORKER),
    ),
    QueueUse(
        names=r"celeryev\.[0-9a-f-]+",
        exchange=EVENTS,
        declared_by=_users(),
        bound_by=_users(BrokerUser.MONITOR),
        filled_by=_CELERY_WORKERS,
        emptied_by=_users(BrokerUser.MONITOR),
        keys=r"(?:worker|task)\.[a-z]+",
    ),
    QueueUse(
        names=rf"{GPU_NODE}-\d+@.+\.celery\.pidbox",
        exchange=CONTROL,
        declared_by=_users(BrokerUser.WORKER),
        filled_by=_CALLERS,
        emptied_by=_users(BrokerUser.WORKER),
    ),
    QueueUse(
        names=rf"{CPU_NODE}[^@]*@.+\.celery\.pidbox",
        exchange=CONTROL,
        declared_by=_users(BrokerUser.CPU_WORKER),
        filled_by=_CALLERS,
        emptied_by=_users(BrokerUser.CPU_WORKER),
    ),
    QueueUse(
        names=r"[0-9a-f-]+\.reply\.celery\.pidbox",
        exchange=REPLIES,
        declared_by=_CALLERS,
        filled_by=_CELERY_WORKERS,
        emptied_by=_CALLERS,
    ),
)
