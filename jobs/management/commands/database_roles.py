"""Creates the database's roles, and gives each table to its owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.core.access.database_rights import RUNTIME_LOGINS, DatabaseRole
from jobs.services.access.database_roles import LoginInUse, create_roles


class Command(BaseCommand):
    help = (
        "Create the roles of the database, or put them right: one that migrates, one that owns the audit, "
        "one with the rights of the processes, and two logins for these, each valid while it has a password. "
        "Run it as a superuser, before `migrate`."
    )
    requires_system_checks = []  # the tables do not exist yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--end-sessions",
            action="store_true",
            help="end the sessions of a login without a password; else it stays valid while there are any",
        )

    def handle(self, *_args: Any, end_sessions: bool, **_options: Any) -> None:
        config = settings.INFERENCE
        owner = config.database_owner_password
        runtime = (config.database_runtime_password, config.database_runtime_password_b)
        needed = {"DATABASE_OWNER_PASSWORD": owner, "DATABASE_RUNTIME_PASSWORD": any(runtime)}
        if missing := [name for name, given in needed.items() if not given]:
            raise CommandError(f"set {' and '.join(missing)}")
        in_use = create_roles(owner_password=owner, runtime_passwords=runtime, end_sessions=end_sessions)
        valid = [login for login, password in zip(RUNTIME_LOGINS, runtime, strict=True) if password]
        self.stdout.write(f"The roles are there: {', '.join(DatabaseRole)}.")
        self.stdout.write(f"Processes may log in as {' and '.join(valid)}.")
        for sentence in _still_valid(in_use):
            self.stderr.write(sentence)


def _still_valid(in_use: Sequence[LoginInUse]) -> list[str]:
    return [
        f"{login} has no password any more and is still valid, because it is in use: {_programs(sessions)}. "
        "Start these processes anew with the other login and run this again, or end them: --end-sessions."
        for login, sessions in groupby(in_use, key=lambda one: one.login)
    ]


def _programs(sessions: Iterable[LoginInUse]) -> str:
    return ", ".join(f"{one.program or 'a program without a name'} ({one.sessions})" for one in sessions)
