"""The steps of a cascade's jobs."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.core.cascades.step_ends import Hindrance, StepEnd
from jobs.models.batch import Batch
from models_registry.models import ModelVersion


class JobStep(models.Model):
    """One step of a cascade that ended, written with what became of its job.

    `body` is the step's answer as it would be stored as a result, where it may still become one or be
    compared. A row with the number 0 says that a replay began the cascade anew, under another rule perhaps.
    """

    id = models.BigAutoField(primary_key=True)
    job_id = models.UUIDField()
    epoch = models.IntegerField(help_text="Of the claim.")
    number = models.PositiveSmallIntegerField(help_text="Counts the job's steps, from 1.")
    rule = models.BigIntegerField(
        null=True, help_text="The row id of the rule; empty: none decides any more."
    )
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, db_index=False, db_constraint=False)
    batch = models.ForeignKey(Batch, models.PROTECT, null=True, db_index=False, db_constraint=False)
    why = models.CharField(max_length=15, choices=[(end.value, end.value) for end in StepEnd])
    hindrance = models.CharField(
        max_length=15,
        choices=[(one.value, one.value) for one in Hindrance],
        blank=True,
        db_default="",
        help_text="Why the next step was not taken, although the answer was not enough.",
    )
    confidence = models.FloatField(null=True)
    degrades = models.BooleanField(
        db_default=False, help_text="Whether its answer stands where the next step cannot answer."
    )
    body = models.BinaryField(null=True)
    encoding = models.CharField(max_length=15, db_default="identity")
    expires_at = models.DateTimeField(null=True, help_text="When `body` goes, as the job's result does.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "jobs_step"
        constraints = [models.UniqueConstraint(fields=["job_id", "epoch"], name="step_once_per_claim")]
        indexes = [models.Index("rule", "id", name="step_by_rule")]

    def __str__(self) -> str:
        return f"step {self.number} of {self.job_id}"
