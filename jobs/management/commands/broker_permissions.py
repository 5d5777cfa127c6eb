"""Prints the broker users' rights as RabbitMQ's definitions, made of the topology."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from jobs.broker.permissions import definitions


class Command(BaseCommand):
    help = "Print the definitions of the broker's users and of what each may do; needs no server."
    requires_system_checks = []  # nothing of the configuration is used

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(json.dumps(definitions(), indent=1))
