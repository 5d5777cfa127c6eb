"""Orders to load and unload models while the worker runs.

Loading takes seconds, so each order has a thread of its own; calls on the connection run on its thread. The
outcome of an order is written to its row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock, Thread
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from django.conf import settings
from django.db import connection

from jobs.broker import broker_queues, topology
from jobs.broker import connection as broker
from jobs.core.queue_names import queues_of
from jobs.db.engine import engine
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.order_models import LOAD, OrderRow, end_order
from jobs.worker.consumed_queues import queues_for, refuse_without_slow_lane
from jobs.worker.process import WorkerProcess
from jobs.worker.stages.persist import persist
from models_registry import selectors
from models_registry.core.refs import Ref

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
HUB_ANSWERS_S = 20.0


class ModelOrders:
    """The orders of one worker, carried out one at a time, and the state of each."""

    def __init__(self, process: WorkerProcess) -> None:
        self._process = process
        self._one_at_a_time = Lock()
        self.orders: dict[str, str] = {}
        self.unwanted = set[str]()  # unloaded on order, so not to be served by itself

    def begin(self, order: OrderRow, consumer: Any) -> None:
        """Begin to load a version and consume its model's queue, or to drop what the order names.

        A bare name means all versions when it is dropped. The outcome goes to the order's row.
        """
        work = self._load if order.action == LOAD else self._unload
        self.orders[order.ref] = f"{order.action}ing"
        carry_out = partial(self._carry_out, order, partial(work, order.ref, consumer))
        Thread(target=carry_out, name=f"{order.action}-{order.ref}", daemon=True).start()

    def serve(self, ref: str, consumer: Any) -> None:
        """Load what `ref` names and consume its model's queue, now; PlatformError where it does not load."""
        with self._one_at_a_time:
            self._load(ref, consumer)

    def leave(self, model: str, consumer: Any) -> None:
        """Stop consuming a model's queue, now, and give back what was fetched and not claimed."""
        with self._one_at_a_time:
            self._store(_on_hub(consumer, lambda: self._stop_consuming(model, consumer)))

    def models(self, consumer: Any) -> list[str]:
        """Return the models whose queues are consumed, by name; on the connection's thread."""
        queues = consumer.app.amqp.queues.consume_from.values()
        return sorted({topology.model_of(queue.routing_key) for queue in queues})

    def serve_new_lanes(self, consumer: Any) -> None:
        """Consume the slow lanes that the served models have got since, now."""
        with self._one_at_a_time:
            consumed = set(consumer.app.amqp.queues.consume_from)
            queues = queues_for(self.models(consumer), self._process.lane)
            fresh = [queue for queue in queues if topology.queue_name(queue) not in consumed]
            if not fresh:
                return
            with broker.connected(settings.INFERENCE.broker_url) as own:
                broker_queues.declare(own, fresh)
            _on_hub(consumer, lambda: self._consume(fresh, consumer))

    def _carry_out(self, order: OrderRow, work: Callable[[], str]) -> None:
        try:
            with self._one_at_a_time:
                outcome = work()
        except Exception as error:  # noqa: BLE001  # any failure is the order's answer
            logger.warning("an order for %s failed: %s", order.ref, error)
            outcome = f"failed: {error}"
        finally:
            connection.close()  # the thread ends, and Django closes no connection of it
        self.orders[order.ref] = outcome
        self._persist(lambda session: end_order(session, order.id, outcome))

    def _load(self, ref: str, consumer: Any) -> str:
        info = selectors.resolve(ref)
        refuse_without_slow_lane([info.model], self._process.lane)
        self.unwanted.discard(info.model)
        self._process.loader.load(info.id, anew=True)
        with broker.connected(settings.INFERENCE.broker_url) as own:
            broker_queues.declare(own, queues := queues_for([info.model], self._process.lane))
        self._store(_on_hub(consumer, lambda: self._consume(queues, consumer)))
        return "serving"

    def _consume(self, names: Sequence[str], consumer: Any) -> list[str]:
        for queue in map(broker_queues.model_queue, names):
            consumer.app.amqp.queues.select_add(queue)
            if consumer.task_consumer is not None:  # else it is consumed once connected again
                consumer.add_task_queue(queue.name)
        return self.models(consumer)

    def _unload(self, ref: str, consumer: Any) -> str:
        model = Ref.parse(ref).name
        loaded = [entry.info for entry in self._process.pool.loaded() if entry.info.model == model]
        leaving = loaded if ref == model else [i for i in loaded if i.id == selectors.resolve(ref).id]
        if len(leaving) == len(loaded):
            self.unwanted.add(model)
            self._store(_on_hub(consumer, lambda: self._stop_consuming(model, consumer)))
        at_once = [self._process.pool.unload(info.id) for info in leaving]
        return "unloaded" if all(at_once) else "unloaded once the batches that run have ended"

    def _stop_consuming(self, model: str, consumer: Any) -> list[str]:
        """Stop consuming the model's queues, and give back to them what was fetched and not claimed."""
        for name in map(topology.queue_name, queues_of(model)):
            consumer.app.amqp.queues.deselect(name)
            if consumer.task_consumer is not None:
                consumer.cancel_task_queue(name)
        buffer, reporter = self._process.pipeline.buffer, self._process.reporter
        reporter.give_back(buffer.discard(lambda delivery: delivery.parcel.model == model))
        return self.models(consumer)

    def _store(self, models: list[str]) -> None:
        row = self._process.incarnation.id
        self._persist(lambda session: worker_row.serve(session, row, models))

    def _persist(self, write: Callable[[sa.Connection], None]) -> None:
        persist(engine(), lambda session, _: write(session), stopping=self._process.stopped.is_set)


_orders_of: dict[UUID, ModelOrders] = {}


def orders_of(process: WorkerProcess) -> ModelOrders:
    """Return the orders of the worker, always the same."""
    return _orders_of.setdefault(process.incarnation.id, ModelOrders(process))


def _on_hub(consumer: Any, call: Callable[[], Answer]) -> Answer:
    """Return what `call` returns on the connection's thread."""
    future = Future[Answer]()

    def answer() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001  # it must raise in the caller, not in the hub
            future.set_exception(error)

    consumer.call_soon(answer)
    return future.result(HUB_ANSWERS_S)
