"""Shadows of rules: versions that run copies of live jobs and answer none, the copies, and who has some."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.models.job import Job
from models_registry.models import ModelVersion


class ShadowState(models.TextChoices):
    """Whether a shadow runs copies."""

    RUNNING = "running"
    STOPPED = "stopped", "a person stopped it, a worker ended with a copy in hand, or no copy could run"
    ENDED = "ended", "its rule is not in force any more"


class Shadow(models.Model):
    """The shadow of one rule, and what it has shown so far.

    A copy that was made waits (`open`), was run, or was dropped: too `old`, `unwanted` because the shadow
    does not run any more, or `lost`: with its worker, or because that got other work before it ran the copy.
    """

    rule = models.BigIntegerField(primary_key=True)
    model = models.CharField(max_length=63)
    alias = models.CharField(max_length=63)
    number = models.IntegerField()
    stable = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="+")
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="+")
    share = models.FloatField()
    batch_s = models.FloatField(help_text="Both versions run a batch of copies within so many seconds.")
    time_share = models.FloatField(help_text="The part of a worker's time in which copies may run.")
    state = models.CharField(max_length=7, choices=ShadowState.choices, default=ShadowState.RUNNING)
    reason = models.TextField(blank=True, db_default="", help_text="Why it was stopped.")
    actor = models.CharField(
        max_length=127, blank=True, db_default="", help_text="Who stopped it or started it again, last."
    )
    takes = models.BooleanField(
        db_default=True, help_text="Whether new jobs are copied: it runs, and not too many copies wait."
    )
    open = models.IntegerField(db_default=0, help_text="Copies that waited when they were last counted.")
    looked_at = models.DateTimeField(
        db_default=Now(), help_text="When its keeper last looked, to 10 s: without one no job is copied."
    )
    run = models.BigIntegerField(db_default=0)
    old = models.BigIntegerField(db_default=0)
    unwanted = models.BigIntegerField(db_default=0)
    lost = models.BigIntegerField(db_default=0)
    counts = models.JSONField(default=dict)
    since = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now(), help_text="When its state last changed.")
    ran_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "alias", "number"], name="shadow_of_rule")]

    def __str__(self) -> str:
        return f"shadow of rule {self.number} of {self.model}@{self.alias}"


class ShadowCopy(models.Model):
    """A copy of a job that waits for its turn; insert-only, in the statement that stores the job.

    It holds no payload: the job's own input is read when the copy runs.
    """

    job = models.OneToOneField(
        Job, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    rule = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["rule", "job"], name="copies_of_shadow")]

    def __str__(self) -> str:
        return f"copy of {self.job_id}"


class ShadowHand(models.Model):
    """The copies that a worker has run and not counted yet, or runs now: where it dies, its shadow stops."""

    worker = models.UUIDField(primary_key=True)
    rule = models.BigIntegerField()
    size = models.IntegerField()
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.size} copies at {self.worker}"
