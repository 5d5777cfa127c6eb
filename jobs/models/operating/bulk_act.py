"""Acts on all jobs that match a filter, done slice by slice in the background."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.core.acting.bulk_verbs import BulkState, BulkVerb
from jobs.core.operations import amounts
from jobs.models.client import Client


class BulkAct(models.Model):
    """An act on many jobs, and where to go on: each slice's jobs, counts and place are one transaction."""

    id = models.BigAutoField(primary_key=True)
    verb = models.CharField(max_length=7, choices=[(verb.value, verb.value) for verb in BulkVerb])
    selection = models.JSONField(help_text="Which jobs; those that came after the start are not among them.")
    rate_per_s = models.FloatField(help_text="Jobs a second, at most.")
    total = models.PositiveIntegerField(help_text="Jobs that matched when a person looked.")
    done = models.PositiveIntegerField(db_default=0)
    failed = models.PositiveIntegerField(
        db_default=0, help_text="Jobs that had changed meanwhile, or whose input is gone."
    )
    state = models.CharField(
        max_length=8,
        choices=[(state.value, state.value) for state in BulkState],
        db_default=BulkState.RUNNING.value,
    )
    actor = models.CharField(max_length=127)
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, db_index=False, related_name="+",
        help_text="Whose token started it; empty where a person did.",
    )  # fmt: skip
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001  # unique where it is set
    request_digest = models.BinaryField(max_length=32, null=True)
    after = models.UUIDField(db_default=UUID(int=0), help_text="The last job that was looked at.")
    due = models.DateTimeField(db_default=Now(), help_text="When the next slice is due.")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=127, blank=True, db_default="")

    class Meta:
        verbose_name = "act on many jobs"
        verbose_name_plural = "acts on many jobs"
        indexes = [models.Index("id", condition=Q(ended_at__isnull=True), name="bulk_act_open")]
        constraints = [models.UniqueConstraint(fields=["client", "idempotency_key"], name="bulk_act_key")]

    def __str__(self) -> str:
        return f"{self.verb} of {amounts.things(self.total, 'job')}: {self.state}"
