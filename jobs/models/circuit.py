"""What keeps jobs from running: circuits of model versions, and outages of what jobs need."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.core.circuits.breaker import CircuitState
from jobs.core.outage_kinds import OutageKind
from models_registry.models import ModelVersion


class Circuit(models.Model):
    """Whether a version's jobs, or one client's, run; without a row they do. Each change adds an Event."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, related_name="circuits")
    client = models.PositiveIntegerField(
        db_default=0, help_text="The id of the client that it holds back; 0: all clients."
    )
    state = models.CharField(max_length=9, choices=[(state.value, state.value) for state in CircuitState])
    reason = models.TextField(blank=True, default="")
    since = models.DateTimeField(db_default=Now())
    retry_at = models.DateTimeField(
        null=True, help_text="When its jobs are tried again; empty: when an operator closes it."
    )
    openings = models.PositiveIntegerField(db_default=0, help_text="How often it has opened in a row.")
    probes = models.PositiveIntegerField(db_default=5, help_text="Successes that close it.")
    succeeded = models.PositiveIntegerField(db_default=0, help_text="Successes since it became half open.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "client"], name="circuit_once")]

    def __str__(self) -> str:
        whose = f" for client {self.client}" if self.client else ""
        return f"circuit of version {self.version_id}{whose}: {self.state}"


class Outage(models.Model):
    """A time in which jobs had to wait for something, as the process noticed that waited for it too.

    The process moves `until` on while it lasts, so a row is of a time that is over, or of one until now.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=15, choices=[(kind.value, kind.value) for kind in OutageKind])
    model = models.CharField(max_length=63, blank=True, db_default="", help_text="Empty: of all models.")
    version = models.PositiveIntegerField(db_default=0, help_text="A version's row id; 0: all versions.")
    client = models.BigIntegerField(db_default=0, help_text="A client's row id; 0: all clients.")
    node = models.CharField(
        max_length=255, blank=True, db_default="", help_text="Celery's node name of the worker that waited."
    )
    began_at = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        indexes = [models.Index("until", name="outage_until")]

    def __str__(self) -> str:
        return f"{self.kind} {self.model} {self.began_at:%Y-%m-%d %H:%M:%S}"
