"""Links between the admin's pages."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import JobInput
from jobs.tracing.trace_context import trace_id_of

ID = '<span style="font-family:monospace;white-space:nowrap">{}</span>'


def whole_id(key: UUID) -> SafeString:
    """Return an id on one line."""
    return format_html(ID, key)


def one_line(text: str) -> SafeString:
    """Return a text that is not broken into lines."""
    return format_html('<span style="white-space:nowrap">{}</span>', text)


def job_link(job_id: UUID) -> SafeString:
    """Return a link to a job's page."""
    return _link("job", job_id, whole_id(job_id))


def batch_link(batch_id: UUID) -> SafeString:
    """Return a link to a batch's page."""
    return _link("batch", batch_id, whole_id(batch_id))


def worker_link(worker_id: UUID, node: str) -> SafeString:
    """Return a link to a worker's page."""
    return _link("worker", worker_id, one_line(node))


def delivery_link(job_id: UUID, text: str) -> SafeString:
    """Return a link to the page of a job's webhook."""
    return _link("delivery", job_id, one_line(text))


def trace_link(job_id: UUID) -> SafeString:
    """Return the id of a job's trace, as a link to TRACE_URL where that is set; a dash without a trace."""
    kept = JobInput.objects.filter(job=job_id).values_list("traceparent", flat=True).first()
    trace, url = trace_id_of(kept), settings.INFERENCE.trace_url
    if not trace or not url:
        return format_html(ID, trace or "-")
    return format_html('<a href="{}">{}</a>', url.replace("{trace_id}", trace), trace)


def flower_link(job_id: UUID) -> SafeString:
    """Return a link to a job's task in Flower; a dash where FLOWER_URL is not set."""
    url = settings.INFERENCE.flower_url
    if not url:
        return format_html(ID, "-")
    return format_html('<a href="{}/task/{}">the task in Flower</a>', url, job_id)


def _link(model: str, key: UUID, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:jobs_{model}_change", args=(key,)), text)
