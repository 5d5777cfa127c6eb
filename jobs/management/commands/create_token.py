"""`manage.py create_token --client NAME`: creates a bearer token and prints it once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.access.scopes import Scope, default_scopes
from jobs.services.access.tokens import create_token
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Create a bearer token for an API client and print it; it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="the client's name; a missing client is created")
        parser.add_argument("--client", help="the client's name, given as an option")
        parser.add_argument("--label", default="", help="a note on the use of the token")
        parser.add_argument(
            "--scope", action="append", choices=[scope.value for scope in Scope],
            help="a scope of the token; may be repeated; all scopes but admin if missing",
        )  # fmt: skip
        parser.add_argument("--expires-in-days", type=int, help="the token never expires if missing")

    def handle(self, **options: Any) -> None:
        client, days = options["client"] or options["name"], options["expires_in_days"]
        if not client or (options["client"] and options["name"]):
            raise CommandError("give the client once: create_token --client NAME")
        if days is not None and days < 1:
            raise CommandError("--expires-in-days must be a whole number above zero")
        scopes = options["scope"] or default_scopes()
        arguments = {"client": client, "label": options["label"], "scopes": scopes, "expires_in_days": days}
        self.stdout.write(create_token(**arguments, actor=actor()))
