"""What operators have paused."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.core.circuits.paused_work import PauseKind


class WorkPause(models.Model):
    """A model, version or client whose jobs are accepted and wait; `actor` paused it for `reason`."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=7, choices=[(kind.value, kind.value) for kind in PauseKind])
    target = models.BigIntegerField(help_text="The row id of the model, version or client.")
    name = models.CharField(max_length=255)
    reason = models.TextField()
    actor = models.CharField(max_length=127)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "pause"
        constraints = [models.UniqueConstraint(fields=["kind", "target"], name="pause_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} is paused"
