"""How a rule, or the fallback of an open circuit, chose the version of a job."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from jobs.models.job import Job
from models_registry.core.routing.decision import Arm


class Route(models.Model):
    """The decision for one job at its admission; insert-only, in the statement that stores the job.

    A job that named a version, or an alias without a rule, has no row.
    """

    job = models.OneToOneField(
        Job, models.DO_NOTHING, primary_key=True, related_name="route", db_constraint=False
    )
    rollout = models.BigIntegerField(null=True, help_text="The roll-out under which it was decided.")
    rule = models.BigIntegerField(null=True, help_text="The rule's row id; empty for a circuit's fallback.")
    version = models.BigIntegerField(
        null=True, help_text="The row id of the version that was decided; empty for a circuit's fallback."
    )
    arm = models.CharField(max_length=9, choices=[(arm.value, arm.value) for arm in Arm])
    key = models.BigIntegerField(
        null=True, help_text="Eight bytes of a keyed digest of what decided; equal values, equal versions."
    )
    counted = models.BooleanField(
        db_default=False, help_text="Whether its first attempt is evidence; of the stable arm a sample is."
    )
    asked = models.CharField(max_length=200, help_text="The model as the client wrote it.")

    class Meta:
        indexes = [
            # What an A/B test has exposed, in the order of time, without a look at the table.
            models.Index(
                "rule", "job", include=("version", "key"), condition=Q(arm=Arm.AB.value), name="route_of_ab"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asked} as {self.arm}"
