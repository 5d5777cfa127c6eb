"""A job's last report of progress, read from its batch."""

from __future__ import annotations

from django.db.models.fields.json import KeyTransform
from django.utils.safestring import SafeString

from jobs.admin.job_page import NONE
from jobs.models import Batch, Job
from models_registry.shared.admin_render import bounded_text, table


def progress(job: Job, *, quoting: bool) -> SafeString | str:
    """Return the last attempt's newest report; if `quoting` with its message, which may quote the input."""
    batches = Batch.objects.filter(pk=job.batch_id) if job.batch_id else Batch.objects.none()
    report = batches.values_list(KeyTransform(str(job.pk), "progress"), flat=True).first()
    if not report:
        return NONE
    rows = [("done", f"{report['fraction']:.0%}"), ("reports", report["step"]), ("in epoch", report["epoch"])]
    return table(("progress", ""), [*rows, ("message", bounded_text(report["message"]))] if quoting else rows)
