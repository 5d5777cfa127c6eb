"""Orders to running workers: which one should load or unload which model, and what came of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.batch import Worker


class ModelOrder(models.Model):
    """One order to one incarnation of a worker; the audit has who gave it."""

    worker = models.ForeignKey(Worker, models.CASCADE, db_index=False, db_constraint=False)
    action = models.CharField(max_length=6, choices=[("load", "load"), ("unload", "unload")])
    ref = models.CharField(max_length=127, help_text="name, name:version or name@alias.")
    ordered_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(null=True, help_text="When the worker read it.")
    outcome = models.TextField(blank=True, db_default="", help_text="Empty until it is done or has failed.")

    class Meta:
        indexes = [models.Index("worker", condition=Q(taken_at__isnull=True), name="model_order_waiting")]

    def __str__(self) -> str:
        return f"{self.action} {self.ref}"
