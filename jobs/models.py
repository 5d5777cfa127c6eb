"""The rows of a job's life. `Job` is narrow and hot: no index holds a column that changes.

Each live state has a small table of its own instead: Outbox (queued, waiting), open Batch rows (running),
DeadLetter (dead). A job with a deadline, idempotency key or size never changes it.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.core.breaker import CircuitState
from jobs.core.failures import FailureKind
from jobs.core.scopes import Scope, default_scopes
from jobs.core.states import TERMINAL, State
from models_registry.models import ModelVersion

STATES = [(state.value, state.value) for state in State]
ENDS = sorted(state.value for state in TERMINAL)  # a set's order would differ from the migration's
KINDS = [(kind.value, kind.value) for kind in FailureKind]
SCOPES = [scope.value for scope in Scope]


class Client(models.Model):
    """Whoever owns jobs: an internal app."""

    name = models.CharField(max_length=63, unique=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A bearer token of a client; only its SHA-256 is kept."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="tokens")
    label = models.CharField(max_length=63, blank=True, default="")
    scopes = ArrayField(models.CharField(max_length=15), default=default_scopes)
    digest = models.BinaryField(max_length=32, unique=True)
    prefix = models.CharField(max_length=12, help_text="The first characters, to tell tokens apart.")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    replaces = models.ForeignKey(
        "self", models.SET_NULL, null=True, db_index=False, help_text="The token it was rotated from."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=SCOPES) & Q(scopes__len__gt=0), name="token_scopes_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.client} {self.prefix}…"


class Worker(models.Model):
    """One incarnation of a worker process; its heartbeat says whether its batches are still being run."""

    id = models.UUIDField(primary_key=True)
    node = models.CharField(max_length=255, help_text="Celery's node name.")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    device = models.CharField(max_length=63)
    model_names = ArrayField(models.CharField(max_length=63))
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=63, blank=True, db_default="")

    def __str__(self) -> str:
        return f"{self.node} {self.started_at:%Y-%m-%d %H:%M:%S}"


class Batch(models.Model):
    """The ledger: one row a claimed batch; open (no `finished_at`) while its worker runs it."""

    id = models.UUIDField(primary_key=True)
    worker = models.ForeignKey(Worker, models.PROTECT, db_index=False, db_constraint=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, db_index=False)
    members = ArrayField(models.UUIDField(), help_text="Ids of the jobs that were claimed.")
    size = models.PositiveIntegerField()
    padded_size = models.PositiveBigIntegerField(default=0, help_text="Items times the longest item's size.")
    seal_reason = models.CharField(max_length=16)
    waited_s = models.FloatField(
        default=0, help_text="From the oldest item's arrival at the worker to the seal."
    )
    apart = models.PositiveIntegerField(
        db_default=0, help_text="0, or the group whose jobs it ran with nothing else in the worker's hands."
    )
    claimed_at = models.DateTimeField(db_default=Now())
    ran_s = models.FloatField(null=True)
    finished_at = models.DateTimeField(null=True)
    progress = models.JSONField(
        null=True, help_text="The newest report of each member whose model reports progress, by job id."
    )
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    released = models.PositiveIntegerField(default=0)
    fenced = models.PositiveIntegerField(default=0, help_text="Verdicts that came too late and were dropped.")

    class Meta:
        verbose_name_plural = "batches"
        indexes = [models.Index("worker", condition=Q(finished_at__isnull=True), name="batch_open_by_worker")]

    def __str__(self) -> str:
        return f"{self.size} of version {self.version_id} at {self.claimed_at:%Y-%m-%d %H:%M:%S}"


class Job(models.Model):
    """One request for one answer; `epoch` fences every change, `attempts` is what the retry policy reads."""

    id = models.UUIDField(primary_key=True)
    client = models.ForeignKey(Client, models.PROTECT, db_index=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, db_index=False)
    queue = models.CharField(max_length=63, help_text="The model's name.")
    priority = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=9, choices=STATES)
    epoch = models.PositiveIntegerField(db_default=0)
    attempts = models.PositiveSmallIntegerField(db_default=0)
    max_attempts = models.PositiveSmallIntegerField()
    size = models.PositiveIntegerField(
        db_default=0, help_text="The input's length in the model's unit, a hint."
    )
    deadline = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001  # NULLs never collide
    request_digest = models.BinaryField(
        max_length=32, null=True, help_text="SHA-256 of the request it answers."
    )
    error_kind = models.CharField(max_length=9, choices=KINDS, db_default="", blank=True)
    error_code = models.CharField(max_length=63, db_default="", blank=True)
    batch = models.ForeignKey(Batch, models.PROTECT, null=True, db_index=False, db_constraint=False)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index("client", F("id").desc(), name="job_by_client")]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="job_idempotency_key_once",
            ),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in State]), name="job_state_known"),
            models.CheckConstraint(condition=Q(priority__lte=9), name="job_priority_0_to_9"),
            models.CheckConstraint(
                condition=Q(state__in=ENDS, finished_at__isnull=False)
                | (~Q(state__in=ENDS) & Q(finished_at__isnull=True)),
                name="job_terminal_has_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.RUNNING.value) | Q(batch__isnull=False),
                name="job_running_has_a_batch",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class JobInput(models.Model):
    """What was asked: canonical JSON as bytes, insert-only, a row of its own so that Job stays narrow."""

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="input")
    body = models.BinaryField()
    parameters = models.BinaryField(null=True)
    metadata = models.BinaryField(null=True)
    content_type = models.CharField(max_length=63, db_default="application/json")
    encoding = models.CharField(max_length=15, db_default="identity")

    def __str__(self) -> str:
        return f"input of {self.job_id}"


class JobResult(models.Model):
    """What was answered, and by which epoch: insert-only, at most one a job."""

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="result")
    epoch = models.PositiveIntegerField()
    body = models.BinaryField()
    content_type = models.CharField(max_length=63, db_default="application/json")
    encoding = models.CharField(max_length=15, db_default="identity")
    source = models.UUIDField(null=True, help_text="The identical job that ran for it; it may be gone.")

    def __str__(self) -> str:
        return f"result of {self.job_id}"


class Outbox(models.Model):
    """A queued or waiting job's next publish: it lives until the claim deletes it.

    `due` is when it is published (again); `published` counts publishes of this epoch. All that a message
    says stands here, so that publishing reads no other table.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="outbox")
    epoch = models.PositiveIntegerField()
    version = models.ForeignKey(ModelVersion, models.PROTECT, db_index=False)
    queue = models.CharField(max_length=63)
    priority = models.PositiveSmallIntegerField()
    size = models.PositiveIntegerField(db_default=0)
    due = models.DateTimeField(db_default=Now())
    published = models.PositiveIntegerField(db_default=0)
    deadline = models.DateTimeField(null=True)
    client = models.PositiveIntegerField(
        db_default=0, help_text="The owner's id; the worker's batches are fair."
    )
    variant = models.PositiveIntegerField(
        db_default=0, help_text="A digest of the parameters: what differs in it shares no batch."
    )
    apart = models.PositiveIntegerField(
        db_default=0, help_text="0, or the group that it runs in, alone: it was in hand when a worker died."
    )
    retry = models.BooleanField(
        db_default=False, help_text="It follows a failed attempt: its version's retry budget pays for it."
    )

    class Meta:
        verbose_name_plural = "outbox"
        indexes = [
            models.Index("queue", F("priority").desc(), "due", name="outbox_next"),
            models.Index("queue", "priority", condition=Q(published__gt=0), name="outbox_in_flight"),
            models.Index("deadline", condition=Q(deadline__isnull=False), name="outbox_deadline"),
        ]

    def __str__(self) -> str:
        return f"{self.queue} {self.job_id} epoch {self.epoch}"


class CacheEntry(models.Model):
    """Which job answers identical requests: one in flight that they follow, or one whose result is fresh.

    What it says holds only together with that job's state; so no settle has to write here. From `expires_at`
    on the sweeper looks whether it is of use still.
    """

    key = models.BinaryField(primary_key=True, max_length=32, help_text="SHA-256 of what is identical.")
    job = models.ForeignKey(Job, models.DO_NOTHING, db_index=False, db_constraint=False)
    version = models.ForeignKey(ModelVersion, models.CASCADE, db_index=False, db_constraint=False)
    ttl_s = models.FloatField(help_text="For so long after its end the job's result answers.")
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "cache entries"
        indexes = [models.Index("expires_at", name="cache_entry_expires")]

    def __str__(self) -> str:
        return f"{bytes(self.key).hex()} of {self.job_id}"


class Follower(models.Model):
    """A queued job without an Outbox row: it waits for an identical one in flight, its leader.

    The row goes in the transaction that ends the job, or that gives it a run of its own.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="follows")
    leader = models.UUIDField()
    key = models.BinaryField(max_length=32, help_text="Of the CacheEntry that names who may lead instead.")
    priority = models.PositiveSmallIntegerField()
    deadline = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("leader", F("priority").desc(), "job", name="follower_by_leader"),
            models.Index("deadline", condition=Q(deadline__isnull=False), name="follower_deadline"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} follows {self.leader}"


class Circuit(models.Model):
    """Whether a model version's jobs run; a version without a row is closed. Every change leaves an Event."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, primary_key=True, related_name="circuit")
    state = models.CharField(max_length=9, choices=[(state.value, state.value) for state in CircuitState])
    reason = models.TextField(blank=True, default="")
    since = models.DateTimeField(db_default=Now())
    retry_at = models.DateTimeField(
        null=True, help_text="When its jobs are tried again; empty while open: when somebody says so."
    )
    openings = models.PositiveIntegerField(db_default=0, help_text="How often in a row it opened.")
    probes = models.PositiveIntegerField(db_default=5, help_text="So many successes close it.")
    succeeded = models.PositiveIntegerField(db_default=0, help_text="Successes since it is half open.")

    def __str__(self) -> str:
        return f"circuit of version {self.version_id}: {self.state}"


class DeadLetter(models.Model):
    """Why a dead job is dead, with what its attempts said; it lives while the job is dead.

    Its letter, a message of ids, is published until the broker confirms it; in the model's dead-letter queue
    it counts as long as this row has its epoch and is not discarded.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="dead_letter")
    epoch = models.PositiveIntegerField()
    queue = models.CharField(max_length=63)
    kind = models.CharField(max_length=9, choices=KINDS)
    code = models.CharField(max_length=63)
    message = models.TextField()
    traceback = models.TextField(blank=True, default="")
    fingerprint = models.CharField(max_length=255)
    reason = models.TextField(blank=True, db_default="", help_text="Why there was no further attempt.")
    history = models.JSONField(db_default=[], help_text="The last failed attempts, oldest first.")
    created_at = models.DateTimeField(db_default=Now())
    due = models.DateTimeField(
        null=True, db_default=Now(), help_text="When the letter is published, unless confirmed until then."
    )
    published = models.PositiveIntegerField(db_default=0, help_text="How often the letter was published.")
    published_at = models.DateTimeField(null=True, help_text="When the broker confirmed the letter.")
    discarded_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("view_payload", "Can see what jobs were asked and answered")]
        indexes = [
            models.Index(
                "queue", "kind", "fingerprint", "created_at",
                condition=Q(discarded_at__isnull=True), name="dead_letter_groups",
            ),
            models.Index("queue", "due", condition=Q(due__isnull=False), name="dead_letter_due"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.fingerprint  # the message may quote the input


class Event(models.Model):
    """Append-only: failed attempts, what people do, and one row a call for what clients do.

    A trigger refuses every change; `forget_events` is the way by which old rows go. It outlives its job.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, models.DO_NOTHING, null=True, related_name="events", db_constraint=False)
    kind = models.CharField(max_length=31)
    actor = models.CharField(max_length=127, blank=True, default="")
    epoch = models.PositiveIntegerField(null=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())
    address = models.GenericIPAddressField(null=True, help_text="Whoever did it was there.")
    token = models.PositiveBigIntegerField(null=True, help_text="The id of the token that it was done by.")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind}"
