"""Runs of versions beside the jobs of clients: gates, duels and backtests."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from models_registry.models import ModelVersion


class TrialKind(models.TextChoices):
    """What a trial is for."""

    GATE = "gate"
    DUEL = "duel"
    BACKTEST = "backtest"


class TrialState(models.TextChoices):
    """How far a trial is."""

    WAITING = "waiting", "a worker of its model takes it"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Trial(models.Model):
    """A run of two versions on the same inputs by one worker; no client's job is changed by it."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=8, choices=TrialKind.choices)
    rollout = models.BigIntegerField(null=True)
    model = models.CharField(max_length=63)
    candidate = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="+")
    stable = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, null=True, related_name="+")
    spec = models.JSONField(default=dict, help_text="What was asked for.")
    state = models.CharField(max_length=9, choices=TrialState.choices, default=TrialState.WAITING)
    worker = models.UUIDField(null=True, help_text="The worker incarnation that runs it.")
    node = models.CharField(max_length=255, blank=True, db_default="")
    beat_at = models.DateTimeField(
        null=True, help_text="When its worker last wrote: silent, another takes it."
    )
    attempts = models.PositiveSmallIntegerField(
        db_default=0,
        help_text="How often a worker took it and did not give it back: the second one that dies ends it.",
    )
    progress = models.JSONField(default=dict)
    report = models.JSONField(null=True)
    outcome = models.TextField(
        blank=True, db_default="", help_text="Why it failed, or its result in a sentence."
    )
    actor = models.CharField(max_length=127)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("model", "id", condition=Q(ended_at__isnull=True), name="trial_open"),
            models.Index("rollout", "id", condition=Q(rollout__isnull=False), name="trial_of_rollout"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} of {self.model}"
