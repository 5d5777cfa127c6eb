"""What was done, by whom, and what failed."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.models.job import Job


class Event(models.Model):
    """Append-only: failed attempts, what people do, and one row a call for what clients do.

    A trigger refuses every change; `forget_events` is the way by which old rows go. It outlives its job.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, models.DO_NOTHING, null=True, related_name="events", db_constraint=False)
    kind = models.CharField(max_length=31)
    actor = models.CharField(max_length=127, blank=True, default="")
    epoch = models.PositiveIntegerField(null=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())
    address = models.GenericIPAddressField(null=True, help_text="Whoever did it was there.")
    token = models.PositiveBigIntegerField(null=True, help_text="The id of the token that it was done by.")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind}"
