"""A job, its input and its result: `Job` is narrow and changes often, the others are written once."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.core.failures import FailureKind
from jobs.core.states import TERMINAL, State
from jobs.core.trace_chars import MOST_KEPT_CHARS
from jobs.models.batch import Batch
from jobs.models.client import Client
from models_registry.models import ModelVersion

STATES = [(state.value, state.value) for state in State]
KEEP_DAYS = 30
ENDS = sorted(state.value for state in TERMINAL)  # a set's order would differ from the migration's
WAITS = [State.QUEUED.value, State.WAITING.value]
KINDS = [(kind.value, kind.value) for kind in FailureKind]


class Job(models.Model):
    """One request for one result; `epoch` fences every change, `attempts` counts for the retry policy.

    A foreign key would lock its client's and its version's rows for each job. A trigger refuses to delete one
    that has jobs instead.
    """

    id = models.UUIDField(primary_key=True)
    client = models.ForeignKey(Client, models.PROTECT, db_index=False, db_constraint=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, db_index=False, db_constraint=False)
    model = models.CharField(max_length=63, db_column="queue", help_text="The model's name.")
    priority = models.SmallIntegerField()
    state = models.CharField(max_length=9, choices=STATES)
    epoch = models.IntegerField(db_default=0)
    attempts = models.SmallIntegerField(db_default=0)
    max_attempts = models.SmallIntegerField()
    size = models.IntegerField(
        db_default=0, help_text="Bytes of its input in memory, or its length where the version pads; a hint."
    )
    deadline = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001  # NULLs never collide
    request_digest = models.BinaryField(
        max_length=32, null=True, help_text="SHA-256 of the request, to compare repeats under the same key."
    )
    keep_days = models.SmallIntegerField(
        db_default=KEEP_DAYS, help_text="Days for which its input and its result are kept."
    )
    error_kind = models.CharField(max_length=9, choices=KINDS, db_default="", blank=True)
    error_code = models.CharField(max_length=63, db_default="", blank=True)
    batch = models.ForeignKey(Batch, models.PROTECT, null=True, db_index=False, db_constraint=False)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True, help_text="When its content was erased; a tombstone since.")

    class Meta:
        indexes = [models.Index("client", F("id").desc(), name="job_by_client")]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="job_idempotency_key_once",
            ),
            # Each statement that writes a job parses every check anew, so there are two and not ten.
            models.CheckConstraint(
                condition=Q(priority__gte=0, priority__lte=9), name="job_priority_is_0_to_9"
            ),
            models.CheckConstraint(
                condition=Q(state__in=WAITS, finished_at__isnull=True)
                | Q(state=State.RUNNING.value, finished_at__isnull=True, batch__isnull=False)
                | Q(state__in=ENDS, finished_at__isnull=False),
                name="job_state_has_its_columns",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class JobInput(models.Model):
    """The input of a job: canonical JSON as bytes, insert-only, in a row of its own so that Job stays narrow.

    `encoding` is that of all three payloads: plain, or sealed under the job's key. The row stands in the
    partition of its job's `keep_days` and of the day of its id, and is dropped with it.
    """

    job = models.OneToOneField(
        Job, models.CASCADE, primary_key=True, related_name="input", db_constraint=False
    )
    keep_days = models.PositiveSmallIntegerField(
        db_default=KEEP_DAYS, help_text="Days for which its input and its result are kept."
    )
    body = models.BinaryField()
    parameters = models.BinaryField(null=True)
    metadata = models.BinaryField(null=True)
    parameters_digest = models.PositiveIntegerField(
        null=True,
        db_column="variant",
        help_text="A keyed digest of sealed parameters; empty if they are not sealed.",
    )
    content_type = models.CharField(max_length=63, db_default="application/json")
    encoding = models.CharField(max_length=15, db_default="identity")
    output_form = models.CharField(  # noqa: DJ001  # most jobs ask for nothing, and NULL takes no room
        max_length=6,
        null=True,
        help_text="The form in which the client wants an output of bytes; empty for JSON.",
    )
    traceparent = models.CharField(  # noqa: DJ001  # only of traced jobs, and NULL takes no room
        max_length=MOST_KEPT_CHARS,
        null=True,
        help_text="The span that made the job, and its caller's `tracestate`; empty unless it is traced.",
    )

    def __str__(self) -> str:
        return f"input of {self.job_id}"


class JobResult(models.Model):
    """The result of a job, and its epoch: insert-only, one for a job at most; partitioned like JobInput.

    `body` is canonical JSON, or begins with the mark and description of an output of bytes. Which of them it
    is, only `body` says, once it is opened.
    """

    job = models.OneToOneField(
        Job, models.CASCADE, primary_key=True, related_name="result", db_constraint=False
    )
    keep_days = models.PositiveSmallIntegerField(
        db_default=KEEP_DAYS, help_text="Days for which its input and its result are kept."
    )
    epoch = models.PositiveIntegerField()
    body = models.BinaryField()
    content_type = models.CharField(max_length=63, db_default="application/json")
    encoding = models.CharField(max_length=15, db_default="identity")
    source = models.UUIDField(null=True, help_text="The identical job that ran instead; it may be deleted.")
    degraded = models.BooleanField(
        null=True, help_text="True: a later step of its cascade was due, and could not answer."
    )

    def __str__(self) -> str:
        return f"result of {self.job_id}"
