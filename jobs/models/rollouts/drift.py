"""Drift: what the jobs of a version were like by the hour, what they are compared with, and alarms."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.core.webhooks.policy import DeliveryState
from models_registry.models import ModelVersion, RegisteredModel

FIELD_CHARS = 127


class DriftSketch(models.Model):
    """What one worker sampled of one field in one hour; its rows are merged on reading.

    The worker writes the whole hour again and again, so that a repeated write changes nothing.
    """

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="+")
    hour = models.DateTimeField(help_text="The beginning of the hour, UTC.")
    worker = models.UUIDField(help_text="The worker incarnation.")
    field = models.CharField(max_length=FIELD_CHARS)
    n = models.BigIntegerField(help_text="Sampled jobs that have a value.")
    missing = models.BigIntegerField(db_default=0, help_text="Sampled jobs that have none, or no usable one.")
    body = models.BinaryField(help_text="A KLL sketch of numbers, or JSON of counted labels.")
    at = models.DateTimeField(db_default=Now(), help_text="When it was last written.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "hour", "field", "worker"], name="drift_sketch_once")
        ]
        indexes = [models.Index("hour", name="drift_sketch_by_hour")]

    def __str__(self) -> str:
        return f"{self.field} of version {self.version_id} at {self.hour:%Y-%m-%d %H}:00 UTC"


class FrozenReference(models.Model):
    """From where and when a version's reference is; its fields are rows of DriftReference."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, primary_key=True, related_name="+")
    origin = models.TextField(help_text="The promotion, period or version that it is from, in words.")
    jobs = models.BigIntegerField(help_text="Sampled jobs in it.")
    compared_from = models.DateTimeField(help_text="The first hour that is compared with it.")
    actor = models.CharField(max_length=127)
    frozen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "drift of a version"
        verbose_name_plural = "drift"

    def __str__(self) -> str:
        return f"reference of version {self.version_id}"


class DriftReference(models.Model):
    """One field of a frozen reference."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="+")
    field = models.CharField(max_length=FIELD_CHARS)
    n = models.BigIntegerField()
    missing = models.BigIntegerField(db_default=0)
    body = models.BinaryField(help_text="As in DriftSketch.")
    own_distance = models.FloatField(
        db_default=0.0, help_text="The largest distance of one of its own hours from the whole of it."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "field"], name="drift_reference_once")]

    def __str__(self) -> str:
        return f"{self.field} of the reference of version {self.version_id}"


class DriftHour(models.Model):
    """How far one field of one hour is from the reference; without figures where it cannot be compared."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="+")
    hour = models.DateTimeField()
    field = models.CharField(max_length=FIELD_CHARS)
    n = models.BigIntegerField()
    missing = models.BigIntegerField(db_default=0)
    psi = models.FloatField(null=True, help_text="Population stability index.")
    distance = models.FloatField(null=True, help_text="The largest distance of the shares (KS).")
    bound = models.FloatField(null=True, help_text="What chance and the sketches explain of that distance.")
    exceeds = models.BooleanField(help_text="Whether both the index and the distance are above their bounds.")

    class Meta:
        verbose_name = "drift by hour"
        verbose_name_plural = "drift by hour"
        constraints = [models.UniqueConstraint(fields=["version", "hour", "field"], name="drift_hour_once")]
        indexes = [models.Index("hour", name="drift_hour_by_hour")]

    def __str__(self) -> str:
        return f"{self.field} of version {self.version_id} at {self.hour:%Y-%m-%d %H}:00 UTC"


class DriftAlarm(models.Model):
    """Fields of a version that began to drift in an hour, and the webhook that says so."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="+")
    hour = models.DateTimeField(help_text="The second of the two hours.")
    fields = models.JSONField(help_text="Each field with its figures in that hour.")
    generation = models.BigIntegerField(null=True, help_text="Of the model's cache, where it was purged.")
    at = models.DateTimeField(db_default=Now())
    state = models.CharField(
        max_length=9,
        choices=[(state.value, state.value) for state in DeliveryState],
        blank=True,
        db_default="",
        help_text="Of the webhook; empty where the version names none.",
    )
    due = models.DateTimeField(null=True, help_text="When the webhook is sent next.")
    attempts = models.PositiveIntegerField(db_default=0)
    answer = models.TextField(blank=True, db_default="", help_text="The outcome of the last attempt.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "hour"], name="drift_alarm_once")]
        indexes = [
            models.Index("due", condition=Q(due__isnull=False), name="drift_alarm_due"),
        ]

    def __str__(self) -> str:
        return f"version {self.version_id} at {self.hour:%Y-%m-%d %H}:00 UTC"


class CacheGeneration(models.Model):
    """How often the cached results of a model were made void: part of the key of each entry."""

    model = models.OneToOneField(RegisteredModel, models.CASCADE, primary_key=True, related_name="+")
    generation = models.BigIntegerField(db_default=1)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"generation {self.generation} of model {self.model_id}"
