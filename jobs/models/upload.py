"""Files that clients upload before the jobs that refer to them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.models.client import Client


class Upload(models.Model):
    """A file in the storage; until it expires, jobs of its client may refer to it by its id."""

    id = models.UUIDField(primary_key=True)
    client = models.ForeignKey(Client, models.PROTECT, db_index=False)
    name = models.CharField(max_length=127, help_text="The name of the object in the storage.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=127)
    sealed = models.BinaryField(
        null=True,
        help_text="The object as it is stored, in JSON, with its key; empty if it is plain.",
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index("expires_at", name="upload_expires")]

    def __str__(self) -> str:
        return f"{self.size} bytes of {self.content_type}"
