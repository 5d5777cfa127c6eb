"""`manage.py create_results_role CLIENT`: creates a database role that reads the results of one client."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from psycopg.errors import InsufficientPrivilege

from jobs.core.errors import PlatformError
from jobs.services.access.results_role import create_results_role, drop_results_role
from models_registry.management.actor import actor

TRUST = (
    "Give this URL to trusted apps alone: whoever is in the database can hold its locks and connections. "
    "Other apps read results over HTTP, with inference_client.celery_backend."
)


class Command(BaseCommand):
    help = "Create or replace the role that reads a client's own results, and print its database URL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("client", help="the client's name")
        parser.add_argument("--drop", action="store_true", help="drop the role instead")

    def handle(self, **options: Any) -> None:
        arguments = {"client": options["client"], "actor": actor()}
        try:
            if options["drop"]:
                drop_results_role(**arguments)
            else:
                self.stdout.write(create_results_role(**arguments))
                self.stderr.write(TRUST)
        except PlatformError as error:
            raise CommandError(str(error)) from error
        except ProgrammingError as error:
            if not isinstance(error.__cause__, InsufficientPrivilege):
                raise
            raise CommandError(f"{error}: run this with a DATABASE_URL of the superuser") from error
