"""What is ahead of a new job, and what a client may still send; both are made anew after a crash."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from jobs.models.client import Client


def nobody() -> list[dict[str, int]]:
    """Return that of each of the ten priorities nobody's jobs are known."""
    return [{} for _ in range(10)]


def no_ages() -> list[float]:
    """Return that of each of the ten priorities no age is known."""
    return [0.0] * 10


class QueueStanding(models.Model):
    """What waited for a model when it was counted last, by API priority 0 to 9; unlogged."""

    model = models.CharField(
        max_length=63, primary_key=True, db_column="queue", help_text="The model's name."
    )
    waiting = ArrayField(models.PositiveIntegerField())
    head_age_s = ArrayField(models.FloatField(), help_text="For how long the first of each has been due.")
    mean_age_s = ArrayField(models.FloatField(), default=no_ages, help_text="The same on average.")
    per_s = models.FloatField(null=True, help_text="Jobs that its workers end a second; empty: not known.")
    answer_s = models.FloatField(default=0, help_text="From a job's claim to its verdict, on average.")
    arriving_per_s = models.FloatField(default=0)
    by_client = models.JSONField(
        default=nobody, help_text="The same jobs for each priority by client's id, of those with most."
    )
    counted_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.model}: {sum(self.waiting)} waiting"


class QuotaBucket(models.Model):
    """What is left of one of a client's quotas; web processes take from it ahead. Unlogged."""

    client = models.ForeignKey(Client, models.CASCADE, db_index=False, db_constraint=False)
    kind = models.CharField(max_length=15)
    level = models.FloatField()
    given = models.FloatField(default=0, help_text="What the last process took of it.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("client", "kind", name="quota_bucket_once")]

    def __str__(self) -> str:
        return f"{self.kind} of client {self.client_id}: {self.level:g}"
