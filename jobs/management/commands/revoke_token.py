"""`manage.py revoke_token PREFIX`: revokes a token at once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs.management.one_token import add_token, token_of
from jobs.services.access.tokens import revoke_token
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Revoke a token; every server refuses it within two seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_token(parser)

    def handle(self, **options: Any) -> None:
        done = revoke_token(token_id=token_of(options), actor=actor())
        self.stdout.write("The token is revoked." if done else "The token was revoked already.")
