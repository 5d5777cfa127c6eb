"""What the judge of roll-outs reads and keeps."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from models_registry.core.routing.decision import Arm

# Those that a roll-out can meet; arms of other rules have no judge.
JUDGED = (Arm.CANDIDATE, Arm.BASELINE, Arm.STABLE, Arm.FALLBACK)


class Tally(models.Model):
    """One batch's first attempts under a live roll-out; the judge deletes the rows that it has counted.

    Keys are those of the routes. A batch that failed as a whole is one failure: `broken`, without keys.
    """

    id = models.BigAutoField(primary_key=True)
    rollout = models.BigIntegerField()
    arm = models.CharField(max_length=9, choices=[(arm.value, arm.value) for arm in JUDGED])
    keys = ArrayField(models.BigIntegerField(), help_text="Of its counted first attempts.")
    failed = ArrayField(models.BigIntegerField(), default=list, help_text="Those of them that failed.")
    refused = ArrayField(models.BigIntegerField(), default=list, help_text="Those whose input was refused.")
    broken = models.BooleanField(db_default=False)
    deaths = models.PositiveSmallIntegerField(db_default=0, help_text="Workers that died with its jobs.")
    latency_s = models.FloatField(null=True, help_text="From the oldest member's admission to its verdict.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "tallies"
        indexes = [models.Index("rollout", "id", name="tally_by_rollout")]

    def __str__(self) -> str:
        return f"{len(self.keys)} of {self.arm} in roll-out {self.rollout}"


class Evidence(models.Model):
    """What the judge knows of a roll-out, as its own values write themselves."""

    rollout = models.BigIntegerField(primary_key=True)
    document = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return f"evidence of roll-out {self.rollout}"


class FailedKey(models.Model):
    """A key that failed in a roll-out: it counts once, whatever its client sends again."""

    id = models.BigAutoField(primary_key=True)
    rollout = models.BigIntegerField()
    key = models.BigIntegerField()
    kind = models.CharField(max_length=7, choices=[("failed", "failed"), ("refused", "refused")])
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rollout", "kind", "key"], name="failed_key_once")]

    def __str__(self) -> str:
        return f"{self.kind} in roll-out {self.rollout}"


class RolloutPoint(models.Model):
    """How a roll-out stood at a time: a point of its curves, with what explained an act."""

    id = models.BigAutoField(primary_key=True)
    rollout = models.BigIntegerField()
    act = models.CharField(max_length=31, blank=True, db_default="", help_text="Empty: a look that kept it.")
    document = models.JSONField(help_text="Share, jobs met, keys and failures of each arm, e-values.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index("rollout", "id", name="rollout_point_order")]

    def __str__(self) -> str:
        return f"roll-out {self.rollout} at {self.at:%Y-%m-%d %H:%M:%S} UTC"
