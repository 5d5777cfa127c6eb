"""`manage.py audit verify`: says whether the audit is as it was written."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.db.session import open_session
from jobs.db.session_settings import Use
from jobs.services.access.audit_verify import ALL, AuditReport, verify_audit


class Command(BaseCommand):
    help = (
        "Verify the audit by its seals: exit status 1 and the first fault where an event was changed, added "
        "or removed. Only an export shows that the newest events were removed together with their seals."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="verify events and seals")
        verify.add_argument("--from-seal", type=int, default=1, metavar="N")
        verify.add_argument("--to-seal", type=int, default=ALL, metavar="N")
        verify.add_argument("--export", type=Path, metavar="FILE", help="a copy that AUDIT_EXPORT has made")

    def handle(self, *_args: Any, **options: Any) -> None:
        bounds = {"first": options["from_seal"], "last": options["to_seal"]}
        try:
            with closing(open_session(Use.WHOLE)) as session:
                report = verify_audit(session, **bounds, export=options["export"])
        except OSError as error:
            raise CommandError(str(error)) from error
        if report.fault:
            raise CommandError(report.fault)
        self.stdout.write(_sentence(report))


def _sentence(report: AuditReport) -> str:
    forgotten = ""
    if report.forgotten and report.forgotten_to:
        until = f"up to {report.forgotten_to:%Y-%m-%d}, as {report.forgotten_by} says"
        forgotten = f", {report.forgotten:,} more were forgotten by rule, {until}"
    return (
        f"{report.seals:,} seals and their {report.events:,} events are as they were made{forgotten}; "
        f"{report.unsealed:,} newer events are not sealed yet."
    )
