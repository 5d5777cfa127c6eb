"""The worker processes, and the ledger of their batches."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now

from models_registry.models import ModelVersion


class Worker(models.Model):
    """One incarnation of a worker process; without a heartbeat its batches count as abandoned."""

    id = models.UUIDField(primary_key=True)
    node = models.CharField(max_length=255, help_text="Celery's node name.")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    device = models.CharField(max_length=63)
    device_uuid = models.CharField(
        max_length=63, blank=True, db_default="", help_text="The GPU, as `nvidia-smi -L` lists it."
    )
    lanes = models.PositiveSmallIntegerField(
        null=True, help_text="Batches that it runs at once; empty: a worker of an earlier release."
    )
    memory_used_bytes = models.BigIntegerField(
        null=True, help_text="Of the device's memory, at the last heartbeat; empty: not known, or a CPU."
    )
    memory_total_bytes = models.BigIntegerField(null=True, help_text="The whole memory of the device.")
    zone = models.CharField(
        max_length=63, blank=True, db_default="", help_text="Where it runs, by its setting ZONE."
    )
    lane = models.CharField(
        max_length=4,
        blank=True,
        db_default="",
        help_text="The lane that it is for, `fast` or `slow`; empty: both.",
    )
    model_names = ArrayField(models.CharField(max_length=63))
    open_batches = ArrayField(
        models.UUIDField(),
        default=list,
        db_default=Value([], output_field=ArrayField(models.UUIDField())),
        help_text="The batches that it had in hand at `named_at`; other open ones of its are taken back.",
    )
    named_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=63, blank=True, db_default="")

    def __str__(self) -> str:
        return f"{self.node} since {self.started_at:%Y-%m-%d %H:%M:%S} UTC"


class Batch(models.Model):
    """The ledger: one row for each claimed batch, open (no `finished_at`) while its worker runs it."""

    id = models.UUIDField(primary_key=True)
    worker = models.ForeignKey(Worker, models.PROTECT, db_index=False, db_constraint=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, db_index=False, db_constraint=False)
    members = ArrayField(models.UUIDField(), help_text="Ids of the jobs that were claimed.")
    size = models.IntegerField()
    padded_size = models.BigIntegerField(default=0, help_text="Items times the longest item's size.")
    seal_reason = models.CharField(max_length=16)
    waited_s = models.FloatField(
        default=0, help_text="Seconds from the arrival of the oldest item at the worker until the seal."
    )
    isolation_group = models.IntegerField(
        db_default=0,
        db_column="apart",
        help_text="0, or the group whose jobs ran while the worker held no others.",
    )
    slow = models.BooleanField(db_default=False, help_text="Its jobs came by the queue of the slow lane.")
    claimed_at = models.DateTimeField(db_default=Now())
    due_ago_s = ArrayField(
        models.FloatField(null=True),
        null=True,
        help_text="Of each member, the seconds from when it was first due until `claimed_at`.",
    )
    published_ago_s = ArrayField(
        models.FloatField(null=True),
        null=True,
        help_text="Of each member, the seconds from its last publish until `claimed_at`.",
    )
    buffered_s = ArrayField(
        models.FloatField(),
        null=True,
        help_text="Of each member, the seconds from its receipt by the worker until the seal.",
    )
    sealed_ago_s = models.FloatField(null=True, help_text="Seconds from the seal until `claimed_at`.")
    claim_s = models.FloatField(null=True, help_text="Seconds from the seal until the jobs were claimed.")
    lane_s = models.FloatField(null=True, help_text="Seconds from then until its lane took it to run it.")
    ran_s = models.FloatField(null=True, help_text="Seconds of its run; empty where it did not run.")
    finished_at = models.DateTimeField(null=True)
    progress = models.JSONField(null=True, help_text="The newest progress report of each member, by job id.")
    succeeded = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    released = models.IntegerField(default=0)
    fenced = models.IntegerField(default=0, help_text="Verdicts that came too late and were dropped.")

    class Meta:
        verbose_name_plural = "batches"
        indexes = [models.Index("worker", condition=Q(finished_at__isnull=True), name="batch_open_by_worker")]

    def __str__(self) -> str:
        return f"{self.size} of version {self.version_id} at {self.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
