"""`manage.py autoscale --models minilm --min 0 --max 4`: workers of this host, by what the models need."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from contextlib import suppress
from threading import Event
from typing import Any

import psycopg
import sqlalchemy as sa
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.core.errors import PlatformError
from jobs.db.preflight import check_database
from jobs.db.session import open_session
from jobs.exporting import exporter
from jobs.management.scaling.host_autoscaler import HostAutoscaler
from jobs.management.scaling.host_gpus import NoSuchGpuError
from jobs.management.scaling.host_lock import host_lock
from jobs.management.scaling.host_workers import HostWorkers, lock_of, make_places
from jobs.management.scaling.scale_arguments import (
    DRAIN,
    ScaleArguments,
    ScaleOptionError,
    add_scale_arguments,
)
from jobs.management.scaling.worker_place import WorkerCommand
from jobs.services.scaling import autoscaler_rows
from jobs.services.scaling.autoscaler_rows import ScaledGroup
from jobs.worker import process_marks
from models_registry.selectors import known_queues

log = logging.getLogger(__name__)
USAGE_STATUS = 2
LOOK_S = 0.1


class Command(BaseCommand):
    help = (
        "Start and drain the GPU workers of this host by what the models need, until stopped. A host has one"
        " autoscaler: a second one waits. Exit status 2: a wrong option."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_scale_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            arguments = ScaleArguments.of(options, known=_known)
        except (ScaleOptionError, NoSuchGpuError) as error:
            raise CommandError(str(error), returncode=USAGE_STATUS) from error
        except (PlatformError, psycopg.OperationalError) as error:
            raise CommandError(str(error)) from error
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        lock = lock_of(process_marks.marks_folder(), socket.gethostname())
        words = f"process {os.getpid()}, of {', '.join(arguments.models)},"
        with host_lock(lock, words, stop, self._say) as held:
            if held:
                self._run(arguments, _workers(arguments, str(lock)), stop)

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def _run(self, arguments: ScaleArguments, workers: HostWorkers, stop: Event) -> None:
        exporter.serve()
        workers.adopt()
        group = ScaledGroup(
            host=socket.gethostname(),
            pid=os.getpid(),
            models=arguments.models,
            nodes=tuple(place.node for place in workers.places),
            lowest=arguments.lowest,
            highest=arguments.highest,
            zone=settings.INFERENCE.zone,
        )
        HostAutoscaler(group, workers, stop=stop).run()
        if arguments.on_stop == DRAIN:
            workers.steer(0)
        with suppress(sa.exc.DBAPIError, psycopg.Error), open_session() as session:
            autoscaler_rows.leave(session, group)  # a row that stays goes silent, which says the same
        while arguments.on_stop == DRAIN and workers.left:
            time.sleep(LOOK_S)
            workers.tend()
        log.info("ends; %d workers run on", workers.running)


def _known() -> list[str]:
    """Return the registered models, once the database is as this release needs it."""
    check_database()
    return known_queues()


def _workers(arguments: ScaleArguments, lock: str) -> HostWorkers:
    config = settings.INFERENCE
    places = make_places(
        host=socket.gethostname(),
        gpus=arguments.gpus,
        cpus=arguments.cpus,
        first_index=arguments.first_index,
    )
    command = WorkerCommand(
        arguments.models,
        arguments.options,
        lock,
        config.metrics_port,
        config.prometheus_multiproc_dir,
        arguments.log_dir,
    )
    return HostWorkers(
        places,
        command,
        grace_s=config.worker_grace_s,
        start_limit_s=config.scale_start_limit_s,
        clock=time.monotonic,
    )
