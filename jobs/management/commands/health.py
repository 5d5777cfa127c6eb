"""`manage.py health relay`: exits 0 only where that process of this host lately did its work."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from jobs.management.health.health_checks import NAMES, Health, check_of, checked

LOOK_S = 0.5


class Command(BaseCommand):
    help = "Say whether processes of this host lately did their work; exit 1 unless all did."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME", help=NAMES)
        parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait until all do")
        parser.add_argument("--url", default="", help="where web, stream or flower listens")

    def handle(self, *, names: list[str], wait: float, url: str, **_options: Any) -> None:
        try:
            waiting = {name: check_of(name, url) for name in names}
        except KeyError as error:
            raise CommandError(f"there is no process {error}; there are {NAMES}") from None
        until = time.monotonic() + wait
        while True:
            results = {name: checked(check) for name, check in waiting.items()}
            late = time.monotonic() >= until
            self._say(results, bad=late)
            waiting = {name: check for name, check in waiting.items() if not results[name].good}
            if not waiting or late:
                break
            connection.close()  # a server that is starting may end its first sessions
            time.sleep(LOOK_S)
        if waiting:
            raise CommandError("these did not do their work lately: " + ", ".join(waiting))

    def _say(self, results: dict[str, Health], *, bad: bool) -> None:
        for name, health in results.items():
            if health.good or bad:
                self.stdout.write(f"{name}: {health.why}")
                self.stdout.flush()
