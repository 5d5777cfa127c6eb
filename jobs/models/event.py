"""The audit: acts of people and clients, and failed attempts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from jobs.models.job import Job


class AttemptMessage(models.Model):
    """The message of a failed attempt, which may quote the input: unlike its event it can be erased."""

    event_id = models.BigIntegerField(primary_key=True)
    job_id = models.UUIDField()
    message = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index("job_id", name="attempt_message_job")]

    def __str__(self) -> str:
        return f"of event {self.event_id}"


class Event(models.Model):
    """Append-only: failed attempts, acts of people, and one row for each call of a client.

    A trigger refuses every change; only `forget_events` deletes old rows. An event outlives its job.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, models.DO_NOTHING, null=True, related_name="events", db_constraint=False)
    kind = models.CharField(max_length=31)
    actor = models.CharField(max_length=127, blank=True, default="")
    epoch = models.PositiveIntegerField(null=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())
    address = models.GenericIPAddressField(null=True, help_text="The IP address that it was done from.")
    token = models.PositiveBigIntegerField(null=True, help_text="The id of the token that was used.")

    class Meta:
        verbose_name = "audit event"
        # Of no event that a job writes: they are few, and the cause of a job's wait is looked for in them.
        indexes = [
            models.Index(
                KeyTextTransform("version", "detail"),
                "at",
                condition=Q(kind="circuit"),
                name="event_of_circuit",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S} UTC"
