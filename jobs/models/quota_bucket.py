"""The rest of each client's quotas; unlogged, because a bucket is full again after a crash."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.models.client import Client


class QuotaBucket(models.Model):
    """The rest of one quota of a client, from which web processes take ahead; unlogged."""

    client = models.ForeignKey(Client, models.CASCADE, db_index=False, db_constraint=False)
    kind = models.CharField(max_length=15)
    level = models.FloatField()
    given = models.FloatField(default=0, help_text="The amount that the last process took.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("client", "kind", name="quota_bucket_once")]

    def __str__(self) -> str:
        return f"{self.kind} of client {self.client_id}: {self.level:g}"
