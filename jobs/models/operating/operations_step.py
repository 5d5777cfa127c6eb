"""How the platform went over the last hour and day, for the operators' live page; unlogged and bounded."""

from __future__ import annotations

from django.db import models


class OperationsStep(models.Model):
    """One model in one second of the last hour, or one minute of the last day; unlogged.

    The row of the empty model is of all models together. A step without that row was not recorded; one with
    it, and without a model's, was quiet for the model.
    """

    pk = models.CompositePrimaryKey("step_s", "at", "model")
    step_s = models.PositiveSmallIntegerField(help_text="1: a second; 60: a minute.")
    at = models.BigIntegerField(help_text="The begin of the step, in seconds since 1970.")
    model = models.CharField(max_length=63, db_column="queue", help_text="Empty: all models together.")
    in_per_s = models.FloatField(null=True)
    out_per_s = models.FloatField(help_text="Jobs that workers ended, whether they succeeded or died.")
    waiting = models.IntegerField(null=True)
    oldest_s = models.FloatField(null=True)
    p50_s = models.FloatField(null=True, help_text="Of jobs that succeeded, from their creation.")
    p95_s = models.FloatField(null=True)
    p99_s = models.FloatField(null=True)
    batch_size = models.FloatField(null=True)
    failed_per_s = models.FloatField(help_text="Attempts that failed.")
    workers = models.IntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.model or 'all models'} at {self.at} for {self.step_s} s"


class OperationsRecent(models.Model):
    """What ended within the last minute by model, client and worker: one row, unlogged."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    at = models.BigIntegerField(help_text="The last second that is in it, in seconds since 1970.")
    body = models.BinaryField(help_text="JSON of `RecentJobs`; figures only.")

    class Meta:
        permissions = [("view_operations", "Can watch the operators' live page")]

    def __str__(self) -> str:
        return f"the minute until {self.at}"
