"""Declares every model's queues at the broker, or fails and names the one that differs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.broker import broker_queues
from jobs.broker.connection import connected
from jobs.core.errors import BrokerUnavailableError, TopologyMismatchError
from jobs.services.relay.fed_queues import fed_queues


class Command(BaseCommand):
    help = "Declare the exchanges and queues of every registered model; safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        queues = fed_queues()
        try:
            with connected(settings.INFERENCE.broker_url) as connection:
                broker_queues.declare(connection, queues)
        except (TopologyMismatchError, BrokerUnavailableError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Declared {len(queues)} queues of models: {', '.join(queues)}")
