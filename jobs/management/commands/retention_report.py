"""`manage.py retention_report [--job ID]`: what is kept and for how long; or what is left of one job."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from jobs.services.retention.kept_report import KeptRow, Trace, Traces, kept_rows, traces_of


class Command(BaseCommand):
    help = "Print what is kept, where, for how many days, and the oldest row; with --job, what is left of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--job", type=UUID, metavar="ID", help="look for this job everywhere")

    def handle(self, **options: Any) -> None:
        if options["job"]:
            self.stdout.writelines(f"{line}\n" for line in _of_job(traces_of(options["job"])))
            return
        self.stdout.write("  days  rows, about  oldest            what, until when (tables; setting)")
        self.stdout.writelines(f"{_line(row)}\n" for row in kept_rows())


def _line(row: KeptRow) -> str:
    days = "" if row.days is None else str(row.days)
    oldest = f"{row.oldest:%Y-%m-%d %H:%M}" if row.oldest else ""
    where = "; ".join(filter(None, (", ".join(row.kept.tables), row.kept.setting)))
    return f"{days:>6} {row.rows:>12,}  {oldest:<16}  {row.kept.name}: {row.kept.until} ({where})"


def _of_job(traces: Traces) -> list[str]:
    lines = [_trace(trace) for trace in traces.rows]
    lines += [f"object {name}: content" for name in traces.objects]
    when = f"; it was erased at {traces.erased_at:%Y-%m-%d %H:%M:%S}" if traces.erased_at else ""
    verdict = "nothing of its content is kept" if traces.is_absent else "its content is kept"
    return [*lines, f"{verdict}{when}"]


def _trace(trace: Trace) -> str:
    return f"{trace.table}.{trace.column}: {trace.rows:,} rows, {'content' if trace.content else 'ids only'}"
