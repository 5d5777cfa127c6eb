"""Prints RabbitMQ definitions of the broker's users and their rights, generated from the topology."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from jobs.broker.permissions import definitions


class Command(BaseCommand):
    help = "Print RabbitMQ definitions of the broker's users and their rights; needs no server."
    requires_system_checks = []  # it reads no configuration

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(json.dumps(definitions(), indent=1))
