"""The counts of what waits for each model; unlogged, because they are counted again after a crash."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now

from jobs.core.queue_names import MOST_QUEUE_CHARS


def no_clients() -> list[dict[str, int]]:
    """Return empty maps by client for each of the ten priorities."""
    return [{} for _ in range(10)]


def no_ages() -> list[float]:
    """Return an age of 0 for each of the ten priorities."""
    return [0.0] * 10


class QueueStanding(models.Model):
    """The jobs that waited for a model at the last count, by API priority 0 to 9; unlogged."""

    model = models.CharField(
        max_length=MOST_QUEUE_CHARS,
        primary_key=True,
        db_column="queue",
        help_text="The model's name, or that of its slow lane.",
    )
    waiting = ArrayField(models.PositiveIntegerField())
    head_age_s = ArrayField(
        models.FloatField(), help_text="Seconds for which the first job of each priority has waited."
    )
    mean_age_s = ArrayField(models.FloatField(), default=no_ages, help_text="The same for the average job.")
    per_s = models.FloatField(null=True, help_text="Jobs that its workers finish a second; empty: unknown.")
    answer_s = models.FloatField(default=0, help_text="Average seconds from a job's claim to its verdict.")
    arriving_per_s = models.FloatField(default=0)
    by_client = models.JSONField(
        default=no_clients, help_text="Waiting jobs of each priority by client id, for the largest clients."
    )
    spans = models.JSONField(
        default=no_clients, help_text="When and between which ids those clients' jobs began to wait."
    )
    workers = models.PositiveIntegerField(default=0, help_text="Live workers that serve the model.")
    busy = models.PositiveIntegerField(null=True, help_text="Those of them that hold a batch of it.")
    silent = models.PositiveIntegerField(
        null=True, help_text="Its workers that have not ended and have no heartbeat."
    )
    workers_wanted = models.PositiveIntegerField(
        null=True, help_text="Workers that what arrives, what waits and the goal ask for."
    )
    workers_load = models.FloatField(
        null=True, help_text="The same with its fraction: models that share workers need the sum."
    )
    worker_per_s = models.FloatField(null=True, help_text="Jobs that one worker finishes a second.")
    start_s = models.FloatField(
        null=True, help_text="Seconds until an autoscaler's next worker serves it; empty: there is none."
    )
    arrivals_per_s = models.FloatField(null=True, help_text="Jobs that came, over about ten seconds.")
    goal_s = models.FloatField(null=True, help_text="The p95 goal of its default version.")
    slow_from = models.JSONField(
        default=dict,
        db_default=Value({}, output_field=models.JSONField()),
        help_text="By version id, the size of an input from which on its jobs go to the slow lane.",
    )
    dead_letters = models.PositiveIntegerField(null=True, help_text="Dead letters that are not discarded.")
    counted_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "queue"

    def __str__(self) -> str:
        return f"{self.model}: {sum(self.waiting)} waiting"
