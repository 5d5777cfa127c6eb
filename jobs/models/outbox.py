"""The next publishes of queued and waiting jobs."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.core.queue_names import MOST_QUEUE_CHARS
from jobs.core.trace_chars import MOST_KEPT_CHARS
from jobs.models.job import Job
from models_registry.models import ModelVersion


class Outbox(models.Model):
    """The next publish of a queued or waiting job; the claim deletes it.

    `due` is when it is published (again); `published` counts the publishes of this epoch. The row holds
    everything that a message needs, so that the relay reads no other table.
    """

    job = models.OneToOneField(
        Job, models.CASCADE, primary_key=True, related_name="outbox", db_constraint=False
    )
    epoch = models.IntegerField()
    version = models.ForeignKey(ModelVersion, models.PROTECT, db_index=False, db_constraint=False)
    model = models.CharField(
        max_length=MOST_QUEUE_CHARS,
        db_column="queue",
        help_text="The model's name, or that of its slow lane.",
    )
    priority = models.SmallIntegerField()
    size = models.IntegerField(db_default=0)
    due = models.DateTimeField(db_default=Now())
    since = models.DateTimeField(
        db_default=Now(), help_text="When the job began to wait: its first due time, which no publish moves."
    )
    published = models.IntegerField(db_default=0)
    published_at = models.DateTimeField(null=True, help_text="When a relay last took it to publish it.")
    deadline = models.DateTimeField(null=True)
    client = models.IntegerField(
        db_default=0, help_text="The owner's id; relay and batches serve clients in turn."
    )
    parameters_digest = models.IntegerField(
        db_default=0,
        db_column="variant",
        help_text="A digest of the parameters: jobs with different digests never run in one batch.",
    )
    isolation_group = models.IntegerField(
        db_default=0,
        db_column="apart",
        help_text="0, or the group that it runs in without other jobs, because its worker died.",
    )
    retry = models.BooleanField(
        db_default=False,
        help_text="It follows a failed attempt, and counts against its version's retry budget.",
    )

    traceparent = models.CharField(  # noqa: DJ001  # only of traced jobs, and NULL takes no room
        max_length=MOST_KEPT_CHARS,
        null=True,
        help_text="The span that made the job, and its caller's `tracestate`; empty unless it is traced.",
    )

    class Meta:
        verbose_name_plural = "outbox"
        # A look begins at a time, so that it does not read the dead rows before it: see WaitingGroups.
        indexes = [
            models.Index(
                "model", F("priority").desc(), "client", "due", condition=Q(published=0), name="outbox_fresh"
            ),
            models.Index("model", "due", condition=Q(published=0), name="outbox_due"),
            models.Index("model", "due", condition=Q(published__gt=0), name="outbox_in_flight"),
            models.Index("deadline", condition=Q(deadline__isnull=False), name="outbox_deadline"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.job_id} epoch {self.epoch}"
