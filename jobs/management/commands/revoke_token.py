"""`manage.py revoke_token PREFIX`: revokes a token at once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs.management.one_token import add_token, token_of
from jobs.services.access.tokens import revoke_token
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Revoke a token and its successors; every server refuses them within two seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_token(parser)
        parser.add_argument("--alone", action="store_true", help="leave the tokens that it was rotated into")

    def handle(self, **options: Any) -> None:
        count = revoke_token(token_id=token_of(options), actor=actor(), alone=options["alone"])
        done = "The token is revoked." if count == 1 else f"{count} tokens are revoked, with the successors."
        self.stdout.write(done if count else "The token was revoked already.")
