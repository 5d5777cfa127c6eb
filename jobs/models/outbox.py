"""What a queued or waiting job is published by."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.models.job import Job
from models_registry.models import ModelVersion


class Outbox(models.Model):
    """A queued or waiting job's next publish: it lives until the claim deletes it.

    `due` is when it is published (again); `published` counts publishes of this epoch. All that a message
    says stands here, so that publishing reads no other table.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="outbox")
    epoch = models.PositiveIntegerField()
    version = models.ForeignKey(ModelVersion, models.PROTECT, db_index=False)
    model = models.CharField(max_length=63, db_column="queue")
    priority = models.PositiveSmallIntegerField()
    size = models.PositiveIntegerField(db_default=0)
    due = models.DateTimeField(db_default=Now())
    published = models.PositiveIntegerField(db_default=0)
    deadline = models.DateTimeField(null=True)
    client = models.PositiveIntegerField(
        db_default=0, help_text="The owner's id; feed and batches are shared out fairly between clients."
    )
    parameters_digest = models.PositiveIntegerField(
        db_default=0,
        db_column="variant",
        help_text="A digest of the parameters: what differs in it shares no batch.",
    )
    isolation_group = models.PositiveIntegerField(
        db_default=0,
        db_column="apart",
        help_text="0, or the group that it runs in, alone: it was in hand when a worker died.",
    )
    retry = models.BooleanField(
        db_default=False, help_text="It follows a failed attempt: its version's retry budget pays for it."
    )

    class Meta:
        verbose_name_plural = "outbox"
        indexes = [
            models.Index("model", F("priority").desc(), "client", "due", name="outbox_next"),
            models.Index(
                "model", "priority", "client", condition=Q(published__gt=0), name="outbox_in_flight"
            ),
            models.Index("deadline", condition=Q(deadline__isnull=False), name="outbox_deadline"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.job_id} epoch {self.epoch}"
