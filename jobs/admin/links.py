"""Links between the admin's pages."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import JobInput
from jobs.tracing.trace_context import trace_id_of
from models_registry.models import ModelVersion

ID = '<code class="id">{}</code>'
# The page hides the head of the id, but copies it: the end is what tells ids of one minute apart.
SHORT_ID = '<code class="id" title="{}"><span>{}</span>{}</code>'
COPY = (
    '<button type="button" class="copy" data-copy="{}" title="Copy the id" aria-label="Copy the id"></button>'
)
END_CHARS = 12


def whole_id(key: UUID) -> SafeString:
    """Return an id on one line, with a button that copies it."""
    return format_html(ID + COPY, key, key)


def short_id(key: UUID) -> SafeString:
    """Return the end of an id; a copy of it has the whole, and so has its title."""
    text = str(key)
    return format_html(SHORT_ID, text, text[:-END_CHARS], text[-END_CHARS:])


def row_link(model: str, key: UUID) -> SafeString:
    """Return the cell of a list that leads to a row of `jobs`: its short id, and a button that copies it."""
    return format_html("{}" + COPY, _link(model, key, short_id(key)), key)


def one_line(text: str) -> SafeString:
    """Return a text that is not broken into lines."""
    return format_html('<span class="one-line">{}</span>', text)


def job_link(job_id: UUID) -> SafeString:
    """Return a link to a job's page."""
    return row_link("job", job_id)


def batch_link(batch_id: UUID) -> SafeString:
    """Return a link to a batch's page."""
    return row_link("batch", batch_id)


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


def version_link(version: ModelVersion) -> SafeString:
    """Return a link to a version's page, as `model:version`."""
    return registry_link("modelversion", version.pk, str(version))


def registry_link(model: str, key: int, text: str) -> SafeString:
    """Return a link to the page of a row of the registry."""
    address = reverse(f"admin:models_registry_{model}_change", args=(key,))
    return format_html('<a href="{}">{}</a>', address, text)


def _link(model: str, key: UUID, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:jobs_{model}_change", args=(key,)), text)
