"""`manage.py migrate`: as Django's, but no change of a table waits for its lock for long; it tries again."""

from __future__ import annotations

from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.migration import Migration

from jobs.db.django_connections import prepare_for
from jobs.management.lock_patience import PATIENCE_S, LockNotGivenError, patiently


class Command(migrate.Command):
    help = f"{migrate.Command.help} A change that cannot lock its table at once is tried again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)  # type: ignore[arg-type]  # Django's own subclass of ArgumentParser
        parser.add_argument(
            "--lock-patience", type=float, default=PATIENCE_S, metavar="SECONDS", help="for how long it tries"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            patiently(
                partial(super().handle, *args, **options),
                patience_s=options["lock_patience"],
                say=self.stderr.write,
            )
        except LockNotGivenError as error:
            raise CommandError(str(error)) from error

    def migration_progress_callback(
        self,
        action: str,
        migration: Migration | None = None,
        fake: bool = False,  # noqa: FBT001, FBT002  # Django's signature
    ) -> None:
        """Give the connection what suits the migration that is next."""
        if migration is not None and action in {"apply_start", "unapply_start"}:
            for alias in connections:
                prepare_for(migration, using=alias)
        super().migration_progress_callback(action, migration, fake)
