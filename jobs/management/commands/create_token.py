"""`manage.py create_token --client NAME`: creates a bearer token and prints it once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.core.access.scopes import LIFETIME_DAYS, Scope, default_scopes
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
            help="a scope of the token; may be repeated; submit, read, cancel, replay and erase if missing",
        )  # fmt: skip
        parser.add_argument("--expires-in-days", type=int, default=LIFETIME_DAYS, help="default: %(default)s")
        parser.add_argument(
            "--never-expires", action="store_true", help="the token works until it is revoked"
        )
        parser.add_argument("--no-quotas", action="store_true", help="a client that is created has no quotas")

    def handle(self, **options: Any) -> None:
        client, days = options["client"] or options["name"], options["expires_in_days"]
        if not client or (options["client"] and options["name"]):
            raise CommandError("give the client once: create_token --client NAME")
        if days < 1:
            raise CommandError("--expires-in-days must be a whole number above zero")
        scopes = options["scope"] or default_scopes()
        token = create_token(
            client=client,
            label=options["label"],
            scopes=scopes,
            expires_in_days=None if options["never_expires"] else days,
            limited=not options["no_quotas"],
            actor=actor(),
        )
        self.stdout.write(token)
