"""`manage.py gpu_worker --gpu 0 --models minilm`: a Celery worker pinned to one device, with batching."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from typing import Any

from celery.app.utils import find_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs import metrics
from jobs.broker import broker_queues, topology
from jobs.broker import connection as broker
from jobs.core.errors import LibraryChangedError, PlatformError
from jobs.core.relay.queue_depth import prefetch
from jobs.services.lifecycle.worker_row import Incarnation
from jobs.worker import process as host
from jobs.worker.consuming import event_serializer, patches
from jobs.worker.consuming.drain import DrainStep
from models_registry import selectors
from models_registry.pool import MIB, ModelPool

SWITCH_INTERVAL_S = 0.0005  # at Python's 5 ms a busy thread delays the device thread by as much
MOST_LANES = 4  # more threads with a batch each would only make every batch late


class Command(BaseCommand):
    help = "Run a batching worker on one device until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        device = parser.add_mutually_exclusive_group(required=True)
        device.add_argument("--gpu", type=int, help="The device's number.")
        device.add_argument("--cpu", action="store_true", help="Run on the CPU.")
        parser.add_argument("--models", required=True, help="Names of models, separated by commas.")
        parser.add_argument(
            "--lanes", type=int, help="Batches that run at once; 1 on a GPU, the cores on a CPU."
        )
        parser.add_argument(
            "--memory-budget", type=int, help="MiB that the loaded models may occupy together."
        )
        parser.add_argument("--index", type=int, default=0, help="Tells workers on one host apart.")
        parser.add_argument("--loglevel", default="WARNING")

    def handle(self, *, models: str, index: int, loglevel: str, **options: Any) -> None:
        check_libraries()
        metrics.serve()
        device = pin(None if options["cpu"] else options["gpu"])
        lanes = options["lanes"] or default_lanes(device)
        divide_cores(lanes)
        names = tuple(name.strip() for name in models.split(",") if name.strip())
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        node = topology.gpu_node(index, socket.gethostname())
        try:
            pool = make_pool(device, options["memory_budget"])
            held = serve(names, pool, node, lanes)
        except PlatformError as error:
            raise CommandError(str(error)) from error
        run_celery(names, node, held, loglevel)


def check_libraries() -> None:
    """Compare the libraries that are patched with what was read of them; CommandError where one changed."""
    try:
        patches.check()
    except LibraryChangedError as error:
        raise CommandError(str(error)) from error


def pin(gpu: int | None) -> str:
    """Show this process only its own device, before torch is imported; return torch's name for it."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu is None else str(gpu)
    return "cpu" if gpu is None else "cuda:0"


def default_lanes(device: str) -> int:
    """Return one lane for a GPU, and one a core for a CPU, four at most."""
    return min(MOST_LANES, len(os.sched_getaffinity(0))) if device == "cpu" else 1


def divide_cores(lanes: int) -> None:
    """Give each lane an equal part of the cores, unless the operator chose; before torch is imported."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // lanes)))


def make_pool(device: str, budget_mib: int | None) -> ModelPool:
    """Return an empty pool of models on the device, which loads what the settings allow."""
    config = settings.INFERENCE
    return ModelPool(
        device,
        allow_torch_programs=config.allow_torch_programs,
        entry_points=config.model_entry_points,
        model_dir=config.model_dir,
        memory_budget_bytes=None if budget_mib is None else budget_mib * MIB,
    )


def serve(names: tuple[str, ...], pool: ModelPool, node: str, lanes: int) -> int:
    """Load the models, compare the broker's queues, make the host; return the prefetch count."""
    loaded = [pool.runner(selectors.resolve(name).id) for name in names]
    with broker.connected(settings.INFERENCE.broker_url) as connection:
        broker_queues.declare(connection, names)
    incarnation = Incarnation(uuid.uuid4(), node, socket.gethostname(), os.getpid(), pool.device, names)
    host.make(incarnation, pool, lanes=lanes)
    return prefetch(max(model.info.max_batch for model in loaded))


def run_celery(names: tuple[str, ...], node: str, held: int, loglevel: str) -> None:
    """Run `celery worker` in this process until it is stopped."""
    patches.apply()
    app = find_app(settings.CELERY_APP)
    app.conf.update(
        task_queues=[broker_queues.model_queue(name) for name in names],
        event_serializer=event_serializer.install(),
        worker_consumer="jobs.worker.consuming.consumer:JobConsumer",
        worker_prefetch_multiplier=held,
    )
    app.steps["worker"].add(DrainStep)
    app.worker_main(
        ["worker", "--pool=threads", "--concurrency=1", f"--hostname={node}", f"--loglevel={loglevel}",
         "--without-mingle", "--without-gossip", "-E"]
    )  # fmt: skip
