"""Replays of many dead jobs, each of which waits for what becomes of its first job."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.core.retry.replay_steps import ReplayState


class CanaryReplay(models.Model):
    """A replay of dead letters that look alike: one job goes first, the others follow once it succeeds."""

    id = models.BigAutoField(primary_key=True)
    model = models.CharField(max_length=63)
    fingerprint = models.CharField(max_length=255)
    since = models.DateTimeField(null=True, help_text="Earliest death.")
    until = models.DateTimeField(help_text="Latest death.")
    jobs = ArrayField(models.UUIDField(), null=True, help_text="The jobs that were picked; empty: all.")
    rate_per_s = models.FloatField(null=True, help_text="Jobs a second that become due; empty: all at once.")
    most = models.PositiveIntegerField(help_text="Jobs at most, with the first ones.")
    patch = models.TextField(
        blank=True, db_default="", help_text="The edit of each input, a JSON Patch; emptied at the end."
    )
    version = models.BigIntegerField(
        null=True, help_text="The row id of the version that runs the jobs; empty: each job's own."
    )
    canary = models.UUIDField(help_text="The job that goes first.")
    tried = models.PositiveIntegerField(db_default=1, help_text="How many jobs went first.")
    replayed = models.PositiveIntegerField(db_default=0, help_text="How many jobs followed.")
    state = models.CharField(max_length=7, choices=[(state.value, state.value) for state in ReplayState])
    reason = models.TextField(blank=True, db_default="")
    actor = models.CharField(max_length=127)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "replay of dead jobs"
        verbose_name_plural = "replays of dead jobs"
        indexes = [models.Index("id", condition=Q(ended_at__isnull=True), name="canary_replay_open")]

    def __str__(self) -> str:
        return f"replay of {self.model} {self.fingerprint}: {self.state}"
