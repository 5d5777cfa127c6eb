"""The keys that this database's secrets were made with, so that a process with others finds out."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class KnownKey(models.Model):
    """One key by its name; the digest shows whether a process has the same one, and nothing else of it."""

    name = models.CharField(max_length=31, primary_key=True, help_text="SECRET_KEY, or payload:NAME.")
    digest = models.BinaryField()
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
