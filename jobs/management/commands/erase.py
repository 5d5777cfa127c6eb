"""`manage.py erase`: erases one job, one person's jobs, or again those that an export of the audit names."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from jobs.core.errors import PlatformError
from jobs.services.access.owner import client_id
from jobs.services.erasure.erase_again import NotAnExportError, erase_again
from jobs.services.erasure.erase_job import erase_job
from jobs.services.erasure.erase_subject import continue_erasures, count_jobs, read_erasure, request_erasure
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Erase all content of a job, or of all jobs of a subject; a tombstone and an event remain."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--job", type=UUID, metavar="ID", help="erase this job")
        parser.add_argument("--client", metavar="NAME", help="the client whose jobs are erased")
        parser.add_argument("--subject", metavar="VALUE", help="the value that the jobs' inputs hold")
        parser.add_argument("--dry-run", action="store_true", help="only count the jobs of the subject")
        parser.add_argument(
            "--export",
            type=Path,
            metavar="FILE",
            help="after a restore: erase again what this copy of the audit says was erased",
        )

    def handle(self, **options: Any) -> None:
        job, client, subject = options["job"], options["client"], options["subject"]
        given = [job is not None, client is not None or subject is not None, options["export"] is not None]
        if sum(given) != 1 or (client is None) != (subject is None):
            raise CommandError("give --job, or --client and --subject, or --export")
        try:
            if options["export"]:
                self.stdout.write(_again(options["export"]))
            elif job:
                self.stdout.write(_of_job(job))
            else:
                self.stdout.write(_of_subject(client, subject, dry_run=options["dry_run"]))
        except (PlatformError, NotAnExportError, OSError) as error:
            raise CommandError(str(error)) from error


def _of_job(job: UUID) -> str:
    return "the job is erased" if erase_job(job_id=job, actor=actor()) else "the job was erased before"


def _again(export: Path) -> str:
    again = erase_again(export, actor=actor())
    return (
        f"{again.erased:,} jobs are erased again; {again.before:,} were erased already,"
        f" {again.unknown:,} are not in this database"
    )


def _of_subject(name: str, subject: str, *, dry_run: bool) -> str:
    client = client_id(name)
    if dry_run:
        return f"{count_jobs(client=client, subject=subject):,} jobs would be erased"
    erasure = request_erasure(client=client, subject=subject, actor=actor()).id
    continue_erasures()
    receipt = read_erasure(erasure)
    end = "" if receipt.finished_at else "; the rest is erased within minutes"
    return f"erasure {erasure}: {receipt.erased:,} of {receipt.jobs:,} jobs are erased{end}"
