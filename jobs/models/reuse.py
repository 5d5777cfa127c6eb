"""Which jobs share a run or its result."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jobs.models.job import Job
from models_registry.models import ModelVersion


class CacheEntry(models.Model):
    """Which job answers identical requests: one in flight that they follow, or one whose result is fresh.

    What it says holds only together with that job's state; so no settle has to write here. From `expires_at`
    on the sweeper looks whether it is of use still.
    """

    key = models.BinaryField(primary_key=True, max_length=32, help_text="SHA-256 of what is identical.")
    job = models.ForeignKey(Job, models.DO_NOTHING, db_index=False, db_constraint=False)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, db_constraint=False)
    ttl_s = models.FloatField(help_text="For so long after its end the job's result answers.")
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "cache entries"
        indexes = [models.Index("expires_at", name="cache_entry_expires")]

    def __str__(self) -> str:
        return f"{bytes(self.key).hex()} of {self.job_id}"


class Follower(models.Model):
    """A queued job without an Outbox row: it waits for an identical one in flight, its leader.

    The row goes in the transaction that ends the job, or that gives it a run of its own.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="follows")
    leader = models.UUIDField()
    key = models.BinaryField(max_length=32, help_text="Of the CacheEntry that names who may lead instead.")
    priority = models.PositiveSmallIntegerField()
    deadline = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("leader", F("priority").desc(), "job", name="follower_by_leader"),
            models.Index("deadline", condition=Q(deadline__isnull=False), name="follower_deadline"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} follows {self.leader}"
