"""The autoscalers: one row a host, by which hosts share the workers that models need."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now


class Autoscaler(models.Model):
    """A process that starts and stops workers on its host; without a heartbeat it counts as gone."""

    host = models.CharField(max_length=255, primary_key=True)
    pid = models.PositiveIntegerField()
    zone = models.CharField(max_length=63, blank=True, db_default="")
    model_names = ArrayField(
        models.CharField(max_length=63),
        db_default=Value([], output_field=ArrayField(models.CharField(max_length=63))),
        help_text="The models that its workers serve.",
    )
    nodes = ArrayField(
        models.CharField(max_length=255),
        db_default=Value([], output_field=ArrayField(models.CharField(max_length=255))),
        help_text="The Celery nodes that its workers are, one for each place.",
    )
    min_workers = models.PositiveIntegerField(help_text="It keeps so many, whatever is needed.")
    max_workers = models.PositiveIntegerField(help_text="It starts no more.")
    target = models.PositiveIntegerField(db_default=0, help_text="The workers that it is to have.")
    target_before = models.PositiveIntegerField(db_default=0, help_text="The number before this one.")
    decided_at = models.DateTimeField(db_default=Now(), help_text="When the number last changed.")
    decision = models.TextField(blank=True, db_default="", help_text="Why it is this number.")
    serving = models.PositiveIntegerField(db_default=0, help_text="Its workers that serve.")
    starting = models.PositiveIntegerField(db_default=0, help_text="Its workers that start.")
    draining = models.PositiveIntegerField(db_default=0, help_text="Its workers that are to end.")
    deaths = models.PositiveIntegerField(
        db_default=0, help_text="Workers that died in a row, until one has served for a minute."
    )
    paused_until = models.DateTimeField(null=True, help_text="It starts no worker before, because some died.")
    start_s = models.FloatField(null=True, help_text="Seconds that its last workers took to start.")
    starting_since = models.DateTimeField(
        null=True, help_text="When the oldest of its workers that are starting was started."
    )
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.host}: {', '.join(self.model_names)}"
