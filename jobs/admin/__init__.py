"""The jobs app in Django's admin: read-only, and quick however many rows there are."""

from jobs.admin import clients, ledger, rows
from jobs.admin import job as job_admin

__all__ = ["clients", "job_admin", "ledger", "rows"]
