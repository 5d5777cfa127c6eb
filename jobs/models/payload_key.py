"""Keys of payloads, all wrapped: they open nothing without a wrapping key, which is not in the database."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.models.client import Client


class DataKey(models.Model):
    """The key that wraps the keys of a client's jobs and files of one month."""

    client = models.ForeignKey(Client, models.PROTECT, db_index=False)
    month = models.PositiveIntegerField(help_text="Of the job's id or the file's name, such as 202612.")
    wrapped = models.BinaryField()
    wrapped_by = models.CharField(max_length=255, help_text="The name of the wrapping key.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "month"], name="data_key_once")]

    def __str__(self) -> str:
        return f"{self.month} of client {self.client_id}"


class JobKey(models.Model):
    """The keys of a job whose version encrypts; once the row is gone, no copy of its payloads can be read.

    A result that is copied for an identical job takes `answer` along.
    """

    job_id = models.UUIDField(primary_key=True)
    wrapped = models.BinaryField(help_text="Seals the input, parameters, metadata, files and messages.")
    answer = models.BinaryField(help_text="Seals the result.")

    def __str__(self) -> str:
        return f"keys of {self.job_id}"
