"""Jobs that share a run or its result: cache entries and followers."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jobs.models.job import Job
from models_registry.models import ModelVersion


class CacheEntry(models.Model):
    """The job that answers identical requests: one in flight that they follow, or one with a fresh result.

    It is valid only together with the state of that job, so that a settle need not write here. After
    `expires_at` the sweeper checks whether it is still of use.
    """

    key = models.BinaryField(
        primary_key=True, max_length=32, help_text="SHA-256 of version, client, input and parameters."
    )
    job = models.ForeignKey(Job, models.DO_NOTHING, db_index=False, db_constraint=False)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, db_constraint=False)
    ttl_s = models.FloatField(help_text="Seconds for which the job's result is fresh after its end.")
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "cache entries"
        indexes = [
            models.Index("expires_at", name="cache_entry_expires"),
            models.Index("job", name="cache_entry_job"),
        ]

    def __str__(self) -> str:
        return f"{bytes(self.key).hex()} of {self.job_id}"


class Follower(models.Model):
    """A queued job without an Outbox row: it waits for an identical job in flight, its leader.

    The row is deleted in the transaction that ends the job, or that gives it a run of its own.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="follows")
    leader = models.UUIDField()
    key = models.BinaryField(
        max_length=32, help_text="Key of the CacheEntry that names another possible leader."
    )
    priority = models.PositiveSmallIntegerField()
    deadline = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("leader", F("priority").desc(), "job", name="follower_by_leader"),
            models.Index("deadline", condition=Q(deadline__isnull=False), name="follower_deadline"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} follows {self.leader}"
