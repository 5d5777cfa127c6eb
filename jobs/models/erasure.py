"""What an erasure needs to know: whose data a job holds, what is being erased, and objects that must go."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from jobs.models.client import Client
from jobs.models.job import Job


class Subject(models.Model):
    """A keyed digest of a value by which a job's data can be erased; only of models that mark one."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, models.DO_NOTHING, db_index=False, db_constraint=False)
    client = models.ForeignKey(Client, models.DO_NOTHING, db_index=False, db_constraint=False)
    digest = models.BinaryField(max_length=32)

    class Meta:
        indexes = [models.Index("client", "digest", "job", name="subject_jobs")]
        constraints = [models.UniqueConstraint(fields=["job", "digest"], name="subject_once")]

    def __str__(self) -> str:
        return f"a subject of {self.job_id}"


class Erasure(models.Model):
    """The erasure of all jobs of one subject: a receipt with counts, and where to go on after a crash."""

    id = models.UUIDField(primary_key=True)
    client = models.ForeignKey(Client, models.PROTECT, db_index=False)
    digest = models.BinaryField(max_length=32, null=True, help_text="The subject; empty once all is erased.")
    actor = models.CharField(max_length=127)
    last_job = models.UUIDField(help_text="Jobs with larger ids came later and are not part of it.")
    jobs = models.PositiveIntegerField(help_text="The jobs that there were at first.")
    erased = models.PositiveIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.erased} of {self.jobs} jobs are erased"


class UnwantedObject(models.Model):
    """A stored object that an erased job pointed at; it is deleted unless another job points at it too."""

    name = models.CharField(max_length=127, primary_key=True)
    client = models.ForeignKey(Client, models.DO_NOTHING, db_index=False, db_constraint=False)
    erased_jobs = ArrayField(models.UUIDField(), help_text="The erased jobs that pointed at it.")
    is_result = models.BooleanField(help_text="Whether older jobs may have a copy of its row.")
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
