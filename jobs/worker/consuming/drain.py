"""The drain: after SIGTERM claimed batches finish within the grace, and all other jobs are given back.

A worker bootstep that requires the pool: its `stop` runs once, after the consumer was cancelled and while
the connection is open, and it turns the hub itself so that acks are sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from threading import Thread
from typing import Any

from celery import bootsteps
from celery.signals import worker_shutting_down
from celery.worker.components import Pool
from django.conf import settings

from jobs.worker import process
from jobs.worker.loading.resident_versions import ResidentVersions
from jobs.worker.model_orders import orders_of
from jobs.worker.model_retries import ModelRetries
from jobs.worker.order_inbox import OrderInbox
from jobs.worker.pipeline import Pipeline
from jobs.worker.shadow.shadow_runner import ShadowRunner
from jobs.worker.trials.trial_desk import BesideBatches, TrialPlace
from jobs.worker.trials.trial_runner import TrialRunner
from jobs.worker.trials.turn import Turn
from jobs.worker.watchdog import EXIT_CODE
from models_registry.loaders.devices.own_device import own_device
from models_registry.shared.kept_heap import keep_heap

logger = logging.getLogger(__name__)
TURN_S = 0.05
FAILED_GRACE_S = 1.0
DEVICE_LOST_CODE = 71


class DrainStep(bootsteps.StartStopStep):
    """Starts the stages with the worker and empties them before it ends."""

    requires = (Pool,)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._stopping = self._hurried = False
        # Celery's handler sends it at each SIGTERM, also before the drain begins.
        worker_shutting_down.connect(self._on_sigterm)

    def start(self, worker: Any) -> None:
        """Start the stages."""
        current = process.current()
        if current is not None:
            keep_heap()
            current.start(stopping=lambda: self._stopping)
            orders = orders_of(current)
            retries = ModelRetries(current, orders, current.missing)
            Thread(target=retries.run, args=(worker.consumer,), name="model-retries", daemon=True).start()
            models = partial(orders.models, worker.consumer)
            resident = ResidentVersions(current.loader, models, stop=current.stopped)
            Thread(target=resident.run, name="resident-versions", daemon=True).start()
            begin = partial(orders.begin, consumer=worker.consumer)
            inbox = OrderInbox(current.incarnation.id, begin, stop=current.stopped)
            Thread(target=inbox.run, name="order-inbox", daemon=True).start()
            trials = self._trials(current, models)
            Thread(target=trials.run, name="trials", daemon=True).start()
            shadows = self._shadows(current, models, trials)
            Thread(target=shadows.run, name="shadows", daemon=True).start()

    def _trials(self, current: process.WorkerProcess, models: Callable[[], Collection[str]]) -> TrialRunner:
        pipeline = current.pipeline
        place = self._place(current, Turn(lambda: pipeline.is_quiet), current.beside)
        return TrialRunner(place, models, stop=current.stopped, broken=pipeline.fail)

    def _shadows(
        self, current: process.WorkerProcess, models: Callable[[], Collection[str]], trials: TrialRunner
    ) -> ShadowRunner:
        pipeline = current.pipeline

        def is_quiet() -> bool:
            return pipeline.is_quiet and trials.is_idle

        place = self._place(current, Turn(is_quiet, busy_share=0.0), current.copies)
        return ShadowRunner(place, models, is_quiet, stop=current.stopped, broken=pipeline.fail)

    def _place(self, current: process.WorkerProcess, turn: Turn, beside: BesideBatches) -> TrialPlace:
        own = current.incarnation
        stopping = lambda: self._stopping or current.stopped.is_set()  # noqa: E731  # read where it is used
        return TrialPlace(own.id, own.node, current.loader, turn, beside, stopping)

    def stop(self, worker: Any) -> None:
        """Finish claimed batches, or release them when the grace is over or a second SIGTERM comes.

        A worker that must end because a stage failed waits a second for what has run. It is no success, nor
        is one that ends because a load is stuck.
        """
        current = process.current()
        if current is None:
            return
        self._stopping = True  # where Celery ends by itself, no signal came
        began, pipeline = time.monotonic(), current.pipeline
        pipeline.close()
        turns = _turns(worker.hub)
        while not (pipeline.idle or self._hurried) and time.monotonic() < began + _grace_s(pipeline):
            next(turns)
        current.stop()
        if current.failed:
            worker.exitcode = DEVICE_LOST_CODE if own_device().loss else EXIT_CODE
        for _ in range(3):  # the acks of the last batch were handed to the hub just before it became idle
            next(turns)

    def terminate(self, worker: Any) -> None:
        """Release at once: a cold shutdown."""
        self._hurried = True
        self.stop(worker)

    def _on_sigterm(self, **_: Any) -> None:
        self._hurried, self._stopping = self._stopping, True


def _grace_s(pipeline: Pipeline) -> float:
    return FAILED_GRACE_S if pipeline.failed else settings.INFERENCE.worker_grace_s


def _turns(hub: Any) -> Iterator[None]:
    """Turn the hub, for at most a twentieth of a second a turn; where the connection is lost, only wait."""
    hub.timer.call_repeatedly(TURN_S, lambda: None)
    while True:
        try:
            yield from (None for _ in hub.create_loop())
        except Exception as error:  # noqa: BLE001  # a lost connection has nothing left to acknowledge
            logger.warning("the hub cannot turn while draining: %s", error)
        time.sleep(TURN_S)
        yield None
