"""Runs the relay and the sweeper until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import os
import signal
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from prometheus_client import start_http_server

from jobs.core.errors import TopologyMismatchError
from jobs.services.relay import Relay
from models_registry.selectors import known_queues


class Command(BaseCommand):
    help = "Bring due jobs from Postgres to the broker, and sweep up after dead workers and deadlines."

    def handle(self, *_args: Any, **_options: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if port := os.environ.get("METRICS_PORT"):
            start_http_server(int(port), addr="127.0.0.1")
        try:
            _relay(stop).run()
        except TopologyMismatchError as error:
            raise CommandError(str(error)) from error


def _relay(stop: Event) -> Relay:
    config = settings.INFERENCE
    return Relay(broker_url=config.broker_url, depth=config.queue_depth, models=known_queues, stop=stop)
