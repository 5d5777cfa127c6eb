"""`manage.py rotate_secret_key`: seals what SECRET_KEY encrypts under its new value."""

from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from jobs.services.webhooks.secrets import rotate_site_key
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = (
        "After a change of SECRET_KEY, with the old value in SECRET_KEY_FALLBACKS of every process: encrypt "
        "the secrets of webhooks with the new one. Then only older sessions, and the verification of older "
        "seals of the audit, need the old value."
    )

    def handle(self, **_options: Any) -> None:
        try:
            count = rotate_site_key(actor=actor())
        except InvalidToken:
            raise CommandError(
                "A webhook's secret was encrypted with another SECRET_KEY, and nothing was changed: put that "
                "value into SECRET_KEY_FALLBACKS."
            ) from None
        self.stdout.write(f"{count:,} secrets of webhooks are encrypted with this SECRET_KEY.")
