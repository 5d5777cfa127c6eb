"""`manage.py create_token --client NAME`: make a bearer token and print it, once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.access.scopes import Scope, default_scopes
from jobs.services.access.tokens import create_token
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Make a bearer token for an API client and print it; it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="the client's name, made where it is missing")
        parser.add_argument("--client", help="the same, named")
        parser.add_argument("--label", default="", help="what the token is for")
        parser.add_argument(
            "--scope", action="append", choices=[scope.value for scope in Scope],
            help="what it may be used for, as often as needed; all but admin where none is named",
        )  # fmt: skip
        parser.add_argument("--expires-in-days", type=int)

    def handle(self, **options: Any) -> None:
        client, days = options["client"] or options["name"], options["expires_in_days"]
        if not client or (options["client"] and options["name"]):
            raise CommandError("name the client once: create_token --client NAME")
        if days is not None and days < 1:
            raise CommandError("--expires-in-days is a whole number above zero")
        scopes = options["scope"] or default_scopes()
        made = {"client": client, "label": options["label"], "scopes": scopes, "expires_in_days": days}
        self.stdout.write(create_token(**made, actor=actor()))
