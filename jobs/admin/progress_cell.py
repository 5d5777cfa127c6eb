"""A job's last report of progress, read from its batch."""

from __future__ import annotations

from django.db.models.fields.json import KeyTransform
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import Batch, Job
from models_registry.shared.admin_render import NONE, bounded_text, table


def progress(job: Job, *, quoting: bool) -> SafeString | str:
    """Return the last attempt's newest report; if `quoting` with its message, which may quote the input."""
    batches = Batch.objects.filter(pk=job.batch_id) if job.batch_id else Batch.objects.none()
    report = batches.values_list(KeyTransform(str(job.pk), "progress"), flat=True).first()
    if not report:
        return NONE
    # The page's script renews this part by its name, without the message, which may quote the input.
    rows = [("done", f"{report['fraction']:.0%}"), ("reports", report["step"]), ("in epoch", report["epoch"])]
    shown = [*rows, ("message", bounded_text(report["message"]))] if quoting else rows
    return format_html('<div data-part="progress">{}</div>', table(("progress", ""), shown))
