"""The parts of a job's page: its timeline, batch, documents, error and events."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import batch_link, delivery_link, worker_link
from jobs.core.access.audit_kinds import without_payload
from jobs.core.batching.explain import LedgerEntry, seconds, why_this_size
from jobs.core.errors import PayloadUnreadableError
from jobs.core.operations import amounts
from jobs.core.payloads.keyring import Column
from jobs.core.states import State
from jobs.models import AttemptMessage, Batch, DeadLetter, Delivery, Event, Job, Outbox, Worker
from jobs.services.admission.admit import expected_of
from jobs.services.reads.payloads import show_payload
from models_registry.core.version import VersionInfo
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, SHOWN_BYTES, bounded_json, bounded_text, pretty, table

EVENTS_SHOWN = 100


def badge(state: str) -> SafeString:
    """Return a state as a coloured word."""
    return format_html('<span class="state state-{}">{}</span>', state, state)


def timeline(job: Job) -> SafeString:
    """Return the job's times and the seconds between them."""
    times = [("created", job.created_at), ("started", job.started_at), ("finished", job.finished_at)]
    rows, previous = [], job.created_at
    for name, at in times:
        if at is not None:
            rows.append((name, moment(at), f"+{(at - previous).total_seconds():.3f} s"))
            previous = at
    if job.deadline is not None:
        rows.append(("deadline", moment(job.deadline), _apart(job.created_at, job.deadline)))
    return table(("what", "when", "after the one before"), rows)


def _apart(first: datetime, second: datetime) -> str:
    return f"{(second - first).total_seconds():.3f} s after creation"


def ledger(batch: Batch | None) -> SafeString | str:
    """Return a batch's row of the ledger, with the reason for its size."""
    if batch is None:
        return NONE
    worker = worker_of(batch)
    rows = [
        ("why this size", why(batch)),
        ("batch", batch_link(batch.id)),
        ("model version", batch.version),
        ("worker", worker_link(worker.id, worker.node) if worker else batch.worker_id),
        ("device", worker.device if worker else NONE),
        ("waited for the seal", seconds(batch.waited_s)),
        ("ran", ran(batch)),
        ("verdicts", verdicts(batch)),
    ]
    return table(("ledger", ""), rows)


def worker_of(batch: Batch) -> Worker | None:
    """Return the worker that ran a batch; None where its row is gone."""
    try:
        return batch.worker
    except ObjectDoesNotExist:
        return None


def why(batch: Batch) -> str:
    """Return a sentence about why a batch was sealed at its size."""
    limits = ("max_batch", "max_padded_size", "padded", "p95_goal_s")
    measures = ("size", "padded_size", "seal_reason", "waited_s", "isolation_group", "slow")
    fields = {name: getattr(batch, name) for name in measures}
    worker, version = worker_of(batch), VersionInfo.of(batch.version)
    there = version.on(worker.device) if worker else version
    fields["slow_slice_s"] = version.platform_options.slow_slice_s
    return why_this_size(LedgerEntry(**fields, **{name: getattr(there, name) for name in limits}))


def ran(batch: Batch) -> str:
    """Return a batch's time on the device."""
    return NONE if batch.ran_s is None else seconds(batch.ran_s)


def verdicts(batch: Batch) -> str:
    """Return how a batch's members ended."""
    counts = {
        "succeeded": batch.succeeded,
        "failed": batch.failed,
        "released": batch.released,
        "too late": batch.fenced,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none yet"


def document(job: Job, column: Column) -> SafeString | str:
    """Return one of a job's payloads, with tokens for personal data; the reason where it is unreadable."""
    try:
        payload = show_payload(job.pk, column, most=SHOWN_BYTES)
    except PayloadUnreadableError as error:
        return str(error)
    return bounded_json(payload.head, payload.total) if payload else NONE


def error(job: Job, *, quoting: bool) -> SafeString | str:
    """Return why the job is dead or its last attempt failed; if `quoting` with parts that may quote input."""
    dead_letter = DeadLetter.objects.filter(pk=job.pk).first()
    if dead_letter is None:
        return ": ".join(filter(None, (job.error_kind, job.error_code))) or NONE
    rows = [
        ("kind", dead_letter.kind),
        ("code", dead_letter.code),
        ("no further attempt", dead_letter.reason or NONE),
        ("fingerprint", dead_letter.fingerprint),
    ]
    quotes = [
        ("message", bounded_text(dead_letter.message)),
        ("traceback", bounded_text(dead_letter.traceback) if dead_letter.traceback else NONE),
    ]
    named = ("died", moment(dead_letter.created_at))
    return table(("dead letter", ""), [named, *rows, *(quotes if quoting else ())])


def outbox(job: Job) -> SafeString | str:
    """Return when the job is published next, and how many jobs are ahead of it."""
    row = Outbox.objects.filter(pk=job.pk).first()
    if row is None:
        return NONE
    names = ("epoch", "due", "published", "ahead of it, about", "answered in about")
    return table(names, [(row.epoch, moment(row.due), amounts.things(row.published, "time"), *_place(job))])


def _place(job: Job) -> tuple[str, str]:
    age_s = (timezone.now() - job.created_at).total_seconds()
    expected = expected_of(
        job.model, job.version.version, job.priority, job.client_id, age_s=age_s, job=job.pk
    )
    if expected is None or job.state != State.QUEUED:
        return NONE, NONE
    eta = f"unknown: {expected.unknown}" if expected.eta_s is None else f"{expected.eta_s:,.1f} s"
    return amounts.things(expected.position, "job"), eta


def webhook(job: Job) -> SafeString | str:
    """Return the state of the job's webhook."""
    row = Delivery.objects.filter(pk=job.pk).first()
    if row is None:
        return NONE
    due = moment(row.due) if row.due else NONE
    return table(
        ("webhook", "attempts", "next attempt"), [(delivery_link(job.pk, row.state), row.attempts, due)]
    )


def events(job: Job, *, quoting: bool = False) -> SafeString | str:
    """Return a job's hundred newest events, oldest first; if `quoting` with parts that may quote input."""
    rows = list(Event.objects.filter(job_id=job.pk).order_by("-id")[:EVENTS_SHOWN])[::-1]
    messages = AttemptMessage.objects.filter(event_id__in=[row.pk for row in rows]) if quoting else ()
    quoted = {message.event_id: message.message for message in messages}
    names = ("when", "what", "who", "from", "epoch", "detail")
    return table(names, (_event(row, quoted.get(row.pk), quoting=quoting) for row in rows)) if rows else NONE


def _event(row: Event, message: str | None, *, quoting: bool) -> tuple[object, ...]:
    detail = row.detail if quoting else without_payload(row.kind, row.detail)
    detail = detail if message is None else {**detail, "message": message}
    who = (row.actor or NONE, row.address or NONE)
    return (moment(row.at), row.kind, *who, row.epoch, bounded_text(pretty(detail)))
