"""What a client says of an answer."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.core.ab_tests.feedback_request import MOST_LABEL_CHARS, MOST_NAME_CHARS
from jobs.models.job import Job


class Feedback(models.Model):
    """One named value that a client gave to a job that has ended; insert-only, and once a name.

    A number or a boolean, which is 1 or 0, stands in `value`; a text stands in `label`.
    """

    pk = models.CompositePrimaryKey("job_id", "name")
    job = models.ForeignKey(
        Job, models.DO_NOTHING, db_index=False, db_constraint=False, related_name="feedback"
    )
    name = models.CharField(max_length=MOST_NAME_CHARS)
    value = models.FloatField(null=True)
    label = models.CharField(  # noqa: DJ001  # an empty text is a label, and NULL is none
        max_length=MOST_LABEL_CHARS, null=True
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "feedback"

    def __str__(self) -> str:
        return f"{self.name} = {self.value if self.label is None else self.label}"
