"""Experiments on record: a hypothesis, the load that tests it, its measurements and its verdict."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.core.experiments.experiment_verdict import ExperimentVerdict

EXPECTED = ("better", "same", "worse")
ARMS = ("baseline", "candidate", "reproduction")


class Experiment(models.Model):
    """A claim about the platform, open until it has a verdict."""

    id = models.BigAutoField(primary_key=True)
    hypothesis = models.TextField()
    expected = models.CharField(
        max_length=6, choices=[(word, word) for word in EXPECTED], help_text="The candidate, to the baseline."
    )
    load = models.JSONField(help_text="The options of `manage.py loadtest`, with its seed.")
    seed = models.BigIntegerField()
    revision = models.CharField(max_length=64, help_text="The commit at its start.")
    settings = models.JSONField(help_text="The platform's settings at its start, without secrets.")
    verdict = models.CharField(
        max_length=9, blank=True, db_default="", choices=[(v.value, v.value) for v in ExperimentVerdict]
    )
    conclusion = models.TextField(blank=True, db_default="")
    actor = models.CharField(max_length=127)
    created_at = models.DateTimeField(db_default=Now())
    concluded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict="", concluded_at__isnull=True)
                | ~Q(verdict="") & Q(concluded_at__isnull=False),
                name="experiment_concluded",
            )
        ]

    def __str__(self) -> str:
        return f"experiment {self.pk}: {self.verdict or 'open'}"


class Measurement(models.Model):
    """One load test of an experiment: its report, and the revision and settings that it ran with."""

    id = models.BigAutoField(primary_key=True)
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="measurements")
    arm = models.CharField(max_length=12, choices=[(arm, arm) for arm in ARMS])
    revision = models.CharField(max_length=64)
    settings = models.JSONField()
    report = models.JSONField(help_text="As `report.json` of a load test.")
    actor = models.CharField(max_length=127)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.arm} of experiment {self.experiment_id}"
