"""`manage.py gpu_worker --gpu 0 --models minilm`: a Celery worker pinned to one device, with batching."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from celery.app.utils import find_app
from celery.signals import celeryd_init
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.broker import broker_queues, topology
from jobs.broker import connection as broker
from jobs.core.batching.lane_choice import Lane
from jobs.core.errors import LibraryChangedError, PlatformError
from jobs.core.queue_names import queues_of
from jobs.core.relay.queue_depth import prefetch
from jobs.db.database_tls import refuse_untrusted_database
from jobs.db.preflight import check_database
from jobs.exporting import exporter
from jobs.management.pinned_device import PinnedDevice, pin
from jobs.services.access.known_keys import check_keys
from jobs.services.lifecycle.worker_row import Incarnation
from jobs.tracing import trace_switch
from jobs.worker import process as host
from jobs.worker import quiet
from jobs.worker.consumed_queues import queues_for, refuse_without_slow_lane
from jobs.worker.consuming import event_serializer, patches
from jobs.worker.consuming.drain import DrainStep
from jobs.worker.load_reports import LoadReports
from jobs.worker.loading.model_loader import ModelLoader
from jobs.worker.outer_watchdog import OuterWatchdog
from jobs.worker.reporting.device_sampler import DeviceSampler
from models_registry import selectors
from models_registry.core.registry_errors import LoadFailedError
from models_registry.loaders import memory
from models_registry.loaders.devices.own_device import own_device
from models_registry.management.environment_option import add_environment, enter_environment
from models_registry.pool import MIB, ModelPool
from models_registry.shared.process_end import go_on_in_a_child
from models_registry.sources.local_copies import LocalCopies

SWITCH_INTERVAL_S = 0.0005  # with Python's default, a busy thread delays the device thread by 5 ms
FREE_SHARE = 0.85  # the rest is for the running batches, and what CUDA itself needs
MOST_LANES = 4  # more lanes would only make every batch slower


class WorkerLanes(NamedTuple):
    """How many batches a worker runs at once, and of which lane; AUTO means both."""

    number: int
    lane: Lane


class Command(BaseCommand):
    help = "Run a batching worker on one device until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        device = parser.add_mutually_exclusive_group(required=True)
        device.add_argument(
            "--gpu",
            help="An index within CUDA_VISIBLE_DEVICES, a UUID of `nvidia-smi -L` (GPU-…, MIG-…), or `auto`:"
            " the first that no other worker of this host took so; it waits for one.",
        )
        device.add_argument("--cpu", action="store_true", help="Run on the CPU.")
        parser.add_argument("--models", required=True, help="Names of models, separated by commas.")
        parser.add_argument(
            "--lanes",
            type=int,
            help="Batches that run at once; by default 1 on a GPU, one for each core of a CPU and 4 at most.",
        )
        parser.add_argument(
            "--prefetch",
            type=int,
            default=0,
            help="Messages that the worker holds at most; by default enough for the largest batch of its"
            " models, and for matching lengths.",
        )
        parser.add_argument(
            "--memory-budget",
            type=int,
            help="MiB that all loaded models may occupy; by default most of a GPU's free memory, without"
            " a limit on a CPU.",
        )
        parser.add_argument(
            "--lane",
            choices=[Lane.FAST.value, Lane.SLOW.value],
            help="Take the jobs of this lane alone; by default both, and slow batches leave a lane free.",
        )
        parser.add_argument("--index", type=int, default=0, help="Number of this worker on its host.")
        add_environment(parser)

    def handle(self, *, models: str, index: int, **options: Any) -> None:
        if options["prefetch"] < 0:
            raise CommandError("--prefetch must be at least 1, or 0 for the worker's own choice.")
        enter_environment(**options)
        check_libraries()
        go_on_in_a_child()  # the kernel does not let the outer watchdog end a container's first process
        outer = OuterWatchdog()  # before torch, so that it is small
        device = pinned(None if options["cpu"] else options["gpu"])
        exporter.serve()
        trace_switch.start("gpu-worker")
        sampler = DeviceSampler(device.uuid)
        sampler.start()
        lanes = options["lanes"] or default_lanes(device.name)
        divide_cores(lanes)
        tune_allocator()
        names = tuple(name.strip() for name in models.split(",") if name.strip())
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        node = topology.gpu_node(index, socket.gethostname())
        try:
            refuse_untrusted_database()
            check_database()
            check_keys()
            loader = make_loader(device.name, options["memory_budget"], node, lanes)
            lane = Lane(options["lane"] or Lane.AUTO)
            missing, prefetch_count = serve(names, loader, node, WorkerLanes(lanes, lane), outer, sampler)
        except (PlatformError, psycopg.OperationalError) as error:
            raise CommandError(str(error)) from error
        status = run_celery(queues_for(names, lane), missing, node, options["prefetch"] or prefetch_count)
        trace_switch.stop()
        sys.exit(status)


def check_libraries() -> None:
    """Raise CommandError if a library that is patched here has changed since its source was read."""
    try:
        patches.check()
    except LibraryChangedError as error:
        raise CommandError(str(error)) from error


def pinned(gpu: str | None) -> PinnedDevice:
    """Return the device, once it answers; CommandError where there is none."""
    try:
        return pin(gpu)
    except PlatformError as error:
        raise CommandError(str(error)) from error


def default_lanes(device: str) -> int:
    """Return 1 for a GPU, and for a CPU the number of cores, at most 4."""
    return min(MOST_LANES, len(os.sched_getaffinity(0))) if device == "cpu" else 1


def divide_cores(lanes: int) -> None:
    """Give each lane an equal part of the cores, unless the operator chose; before torch is imported."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // lanes)))


def make_loader(device: str, budget_mib: int | None, node: str, lanes: int) -> ModelLoader:
    """Return the loader of an empty pool on the device; it loads what the settings allow.

    What the last worker of this name could not load within its limit is left alone for a while.
    """
    config = settings.INFERENCE
    reports = LoadReports(node)
    pool = ModelPool(
        device,
        allow_torch_programs=config.allow_torch_programs,
        entry_points=config.model_entry_points,
        model_dir=config.model_dir,
        memory_budget_bytes=budget_bytes(budget_mib, memory.free_bytes(device)),
        watcher=reports,
    )
    pool.copies = LocalCopies(Path(config.artifact_cache_dir), config.artifact_cache_mb * MIB)
    pool.run_at_once(lanes)
    pool.allow_folders(config.model_folders)
    for version, (rest_s, reason) in reports.started().items():
        pool.rest(selectors.info(version), LoadFailedError(reason), rest_s)
    loader = ModelLoader(pool, limit_s=host.load_limit_s)
    loader.start()
    return loader


def budget_bytes(budget_mib: int | None, free_bytes: int | None) -> int | None:
    """Return what all loaded models may occupy: what the operator says, else most of what a GPU has free."""
    if budget_mib is not None:
        return budget_mib * MIB
    return None if free_bytes is None else int(FREE_SHARE * free_bytes)


def tune_allocator() -> None:
    """Let torch's allocator grow its blocks, so that versions that left leave no gaps; before torch."""
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")


def serve(
    names: tuple[str, ...],
    loader: ModelLoader,
    node: str,
    lanes: WorkerLanes,
    outer: OuterWatchdog,
    sampler: DeviceSampler,
) -> tuple[tuple[str, ...], int]:
    """Load the models, declare their queues, create the worker process.

    Return the models that cannot be loaded now, which are tried again later, and the prefetch count.
    """
    infos = {name: selectors.resolve(name) for name in names}
    refuse_without_slow_lane(names, lanes.lane)
    served = tuple(name for name, info in infos.items() if loads(loader, info.id))
    missing = tuple(name for name in infos if name not in served)
    for version in selectors.wanted_versions(served, keep_warm_s=0.0).to_load:
        loads(loader, version)  # each alias: what has traffic is in memory before it comes
    with broker.connected(settings.INFERENCE.broker_url) as connection:
        broker_queues.declare(connection, {*names, *queues_for(names, lanes.lane)})
    if own_device().loss:
        raise own_device().error()  # no version's fault; the device is asked before the next start
    incarnation = Incarnation(
        uuid.uuid4(),
        node,
        socket.gethostname(),
        os.getpid(),
        loader.pool.device,
        served,
        sampler.uuid,
        lanes.number,
        settings.INFERENCE.zone,
        "" if lanes.lane is Lane.AUTO else lanes.lane.value,
    )
    host.make(incarnation, loader, lanes=lanes.number, missing=missing, outer=outer, memory=sampler.memory)
    return missing, prefetch(max(info.max_batch for info in infos.values()))


def loads(loader: ModelLoader, version: int) -> bool:
    """Load a version; False where it cannot be, which the pool has reported: one must not stop the others.

    CommandError where the load is stuck: the next process of this name leaves the version alone for a while.
    """
    try:
        loader.load_watching(version)
    except PlatformError as error:
        if loader.stuck:
            raise CommandError(str(error)) from None
        return False
    return True


def run_celery(queues: Sequence[str], missing: tuple[str, ...], node: str, prefetch_count: int) -> int:
    """Run `celery worker` on the queues until it is stopped; return its exit status."""
    patches.apply()
    quiet.install()
    app = find_app(settings.CELERY_APP)
    app.conf.update(
        task_queues=[broker_queues.model_queue(queue) for queue in queues],
        event_serializer=event_serializer.install(),
        worker_consumer="jobs.worker.consuming.consumer:JobConsumer",
        worker_prefetch_multiplier=prefetch_count,
    )
    if missing:
        app.amqp.queues.deselect([topology.queue_name(q) for model in missing for q in queues_of(model)])
    app.steps["worker"].add(DrainStep)
    workers = list[Any]()
    celeryd_init.connect(note := _noting(workers))
    app.worker_main(
        ["worker", "--pool=threads", "--concurrency=1", f"--hostname={node}", "--without-mingle",
         "--without-gossip", "-E"]
    )  # fmt: skip
    celeryd_init.disconnect(note)
    return sum(worker.exitcode or 0 for worker in workers)


def _noting(workers: list[Any]) -> Callable[..., None]:
    """Return a receiver that keeps the worker: `worker_main` does not return its exit status."""

    def note(instance: Any, **_: Any) -> None:
        workers.append(instance)

    return note
