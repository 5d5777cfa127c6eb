"""Creates the database's roles, and gives each table to its owner."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.core.access.database_rights import DatabaseRole
from jobs.services.access.database_roles import create_roles


class Command(BaseCommand):
    help = (
        "Create the roles of the database, or put them right: one that migrates, one that the processes log "
        "in as, one that owns the audit. Run it as a superuser, before `migrate`."
    )
    requires_system_checks = []  # the tables do not exist yet

    def handle(self, *_args: Any, **_options: Any) -> None:
        config = settings.INFERENCE
        passwords = {
            "owner_password": config.database_owner_password,
            "runtime_password": config.database_runtime_password,
        }
        if missing := [f"DATABASE_{name.upper()}" for name, value in passwords.items() if not value]:
            raise CommandError(f"set {' and '.join(missing)}")
        create_roles(**passwords)
        self.stdout.write(f"The roles are there: {', '.join(DatabaseRole)}.")
