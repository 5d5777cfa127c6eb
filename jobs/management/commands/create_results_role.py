"""`manage.py create_results_role CLIENT`: a database role for AsyncResult on one client's jobs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.services.access.results_role import create_results_role, drop_results_role
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Create or replace the role that reads a client's own results, and print its database URL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("client", help="the client's name")
        parser.add_argument("--drop", action="store_true", help="end the role instead")

    def handle(self, **options: Any) -> None:
        whose = {"client": options["client"], "actor": actor()}
        try:
            if options["drop"]:
                drop_results_role(**whose)
            else:
                self.stdout.write(create_results_role(**whose))
        except PlatformError as error:
            raise CommandError(str(error)) from error
