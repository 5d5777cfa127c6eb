"""Leases of the offices and queues that one process at a time serves; unlogged: a crash frees them all."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class LeaseHolder(models.Model):
    """One session of a process that holds leases, for as long as it renews them; unlogged."""

    id = models.UUIDField(primary_key=True)
    office = models.CharField(max_length=31)
    label = models.CharField(max_length=255, help_text="Office, host and process id.")
    session_pid = models.IntegerField(help_text="The server process of its session.")
    session_began = models.DateTimeField(help_text="When that session began: process ids come again.")
    expires_at = models.DateTimeField(help_text="Until then nobody else takes its leases.")

    def __str__(self) -> str:
        return self.label


class Lease(models.Model):
    """An office or a queue; free where its holder has no row."""

    name = models.CharField(max_length=127, primary_key=True)
    holder = models.UUIDField()
    fence = models.BigIntegerField(help_text="Grows with every change of the holder.")
    taken_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
