"""`manage.py accept_keys`: lets this process's SECRET_KEY and PAYLOAD_KEYS be those of the database."""

from typing import Any

from django.core.management.base import BaseCommand

from jobs.services.access.known_keys import accept_keys
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = (
        "After a change of SECRET_KEY, or the loss of a payload key: let the keys of this process be those "
        "of the database. What only a lost key can read stays unreadable."
    )

    def handle(self, **_options: Any) -> None:
        for fault in accept_keys(actor=actor()):
            self.stdout.write(fault)
        self.stdout.write("The keys of this process are the known ones now.")
