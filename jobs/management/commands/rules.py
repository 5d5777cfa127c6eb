"""`manage.py rules show|put|preview|history|shadow|cascade|report`: what answers for an alias."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.management.rollouts.rule_arguments import add_rule_arguments
from jobs.management.rollouts.rule_verbs import RULE_VERBS
from models_registry.shared.platform_errors import PlatformError


class Command(BaseCommand):
    help = "Show, put and try the rules that decide which version answers for an alias."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_rule_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self.stdout.write(RULE_VERBS[options["verb"]](options))
        except PlatformError as error:
            raise CommandError(str(error)) from error
