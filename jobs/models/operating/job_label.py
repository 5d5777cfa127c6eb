"""Fields of jobs' metadata by which their model lets them be found."""

from __future__ import annotations

from django.db import models

from jobs.models.job import Job


class JobLabel(models.Model):
    """One field of a job's metadata; only jobs of models that name fields in `metadata_index` have such rows.

    Insert-only. It goes with the metadata that it is a copy of: when the payloads' days are over, or the job
    is erased.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(
        Job, models.DO_NOTHING, db_index=False, db_constraint=False, related_name="labels"
    )
    model = models.CharField(max_length=63, db_column="queue")
    field = models.CharField(max_length=63)
    value = models.CharField(max_length=255)
    expires_at = models.DateTimeField(help_text="When the metadata's own time is over.")

    class Meta:
        indexes = [models.Index("model", "field", "value", "job", name="label_jobs")]
        constraints = [models.UniqueConstraint(fields=["job", "field"], name="label_once")]

    def __str__(self) -> str:
        return f"{self.field}={self.value}"
