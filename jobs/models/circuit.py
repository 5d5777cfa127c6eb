"""The circuits of model versions."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.core.circuits.breaker import CircuitState
from models_registry.models import ModelVersion


class Circuit(models.Model):
    """Whether a model version's jobs run; a version without a row is closed. Each change adds an Event."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, primary_key=True, related_name="circuit")
    state = models.CharField(max_length=9, choices=[(state.value, state.value) for state in CircuitState])
    reason = models.TextField(blank=True, default="")
    since = models.DateTimeField(db_default=Now())
    retry_at = models.DateTimeField(
        null=True, help_text="When its jobs are tried again; empty: when an operator closes it."
    )
    openings = models.PositiveIntegerField(db_default=0, help_text="How often it has opened in a row.")
    probes = models.PositiveIntegerField(db_default=5, help_text="Successes that close it.")
    succeeded = models.PositiveIntegerField(db_default=0, help_text="Successes since it became half open.")

    def __str__(self) -> str:
        return f"circuit of version {self.version_id}: {self.state}"
