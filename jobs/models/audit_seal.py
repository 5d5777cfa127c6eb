"""The seals of the audit."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class AuditSeal(models.Model):
    """Append-only: a link of the chain that shows whether events were changed, added or removed."""

    id = models.BigAutoField(primary_key=True)
    first_id = models.BigIntegerField(help_text="The first event that it covers.")
    last_id = models.BigIntegerField(help_text="The last event that it covers.")
    row_count = models.IntegerField(help_text="How many events it covers.")
    row_hashes = models.BinaryField(help_text="The SHA-256 of each event, one after another.")
    previous = models.BinaryField(unique=True, help_text="The hash of the seal before.")
    hash = models.BinaryField(unique=True)
    mac = models.BinaryField(help_text="The hash, signed with a key derived from SECRET_KEY.")
    newest_at = models.DateTimeField(help_text="The time of its newest event.")
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"events {self.first_id} to {self.last_id}"
