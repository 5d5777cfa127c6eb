"""`manage.py reconcile`: names stored objects without rows, and rows without their objects."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from sqlalchemy.exc import DBAPIError

from jobs.db.troubles import trouble_of
from jobs.management.reconciled import Reconciled, lines_of, reconcile
from jobs.services.retention.delete_objects import GRACE_H
from models_registry.shared.platform_errors import PlatformError

DIFFERENT, USAGE, UNREACHABLE = 1, 2, 4


class Command(BaseCommand):
    help = (
        "Compare the storage of payloads and artifacts with the database, both ways; names only, no contents."
        " Exit status 0: they agree, 1: something has no counterpart, 2: a wrong option, 4: storage or"
        " database do not answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than-hours", type=int, default=GRACE_H, help="younger objects may yet get their row"
        )
        parser.add_argument("--delete", action="store_true", help="delete payloads that are orphans")
        parser.add_argument(
            "--delete-artifacts",
            action="store_true",
            help="artifacts too, unless the list of a version's files is missing; while none is registered",
        )
        parser.add_argument(
            "--most", type=int, default=1_000, help="name so many of each kind; all are counted"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        deletes = options["delete"] or options["delete_artifacts"]
        least_h = GRACE_H if deletes else 1  # a worker may hold a result for as long as the database is away
        if options["older_than_hours"] < least_h or options["most"] < 0:
            raise CommandError(
                f"--older-than-hours must be 1 or more, to delete {GRACE_H} or more, and --most 0 or more",
                returncode=USAGE,
            )
        try:
            report = reconcile(
                older_than_h=options["older_than_hours"],
                delete=options["delete"],
                artifacts_too=options["delete_artifacts"],
            )
        except PlatformError as error:
            raise CommandError(str(error), returncode=UNREACHABLE) from error
        except (DBAPIError, OperationalError) as error:
            if trouble_of(error) is None:
                raise
            raise CommandError("The database does not answer.", returncode=UNREACHABLE) from error
        self._show(report, most=options["most"], as_json=options["json"])
        if not report.agrees:
            raise SystemExit(DIFFERENT)

    def _show(self, report: Reconciled, *, most: int, as_json: bool) -> None:
        if as_json:
            self.stdout.write(report.json(most=most))
        else:
            self.stdout.writelines(f"{line}\n" for line in lines_of(report, most=most))
