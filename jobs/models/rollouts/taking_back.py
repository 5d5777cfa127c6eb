"""What a roll-out that stopped has still to take back."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class TakeBack(models.Model):
    """A candidate whose queued jobs go back to the stable version; the row goes when none is left.

    It is written in the transaction that takes the candidate's share away, so that a process which dies
    afterwards leaves it to be done.
    """

    rollout = models.BigIntegerField(primary_key=True)
    closes = models.BooleanField(help_text="Close the candidate's circuit afterwards.")
    taken = models.PositiveIntegerField(db_default=0, help_text="Jobs that were taken back so far.")
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"jobs of roll-out {self.rollout} since {self.since:%Y-%m-%d %H:%M:%S} UTC"
