"""Why dead jobs are dead, and how full the dead-letter queues are."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.job import KINDS, Job


class DeadLetter(models.Model):
    """Why a job is dead, with its failed attempts; the row exists while the job is dead.

    Its message, which holds ids only, is published until the broker confirms it. In the model's dead-letter
    queue the message is valid while this row has the same epoch and is not discarded.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="dead_letter")
    epoch = models.PositiveIntegerField()
    model = models.CharField(max_length=63, db_column="queue")
    kind = models.CharField(max_length=9, choices=KINDS)
    code = models.CharField(max_length=63)
    message = models.TextField()
    traceback = models.TextField(blank=True, default="")
    words = models.BinaryField(
        null=True, help_text="The model's own message and traceback, sealed; the others are shown then."
    )
    words_encoding = models.CharField(max_length=63, blank=True, db_default="")
    fingerprint = models.CharField(max_length=255)
    reason = models.TextField(blank=True, db_default="", help_text="Why there was no further attempt.")
    history = models.JSONField(db_default=[], help_text="The last failed attempts, oldest first.")
    created_at = models.DateTimeField(db_default=Now())
    due = models.DateTimeField(
        null=True, db_default=Now(), help_text="When the message is published, unless it is confirmed before."
    )
    published = models.PositiveIntegerField(db_default=0, help_text="How often the message was published.")
    published_at = models.DateTimeField(null=True, help_text="When the broker confirmed the message.")
    discarded_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("view_payload", "Can see what jobs were asked and answered")]
        indexes = [
            models.Index(
                "model", "kind", "fingerprint", "created_at",
                condition=Q(discarded_at__isnull=True), name="dead_letter_groups",
            ),
            models.Index("model", "due", condition=Q(due__isnull=False), name="dead_letter_due"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.fingerprint  # the message may quote the input


class DeadLetterQueueSize(models.Model):
    """How many messages a model's dead-letter queue held when the relay counted last; unlogged."""

    model = models.CharField(max_length=63, primary_key=True)
    messages = models.PositiveBigIntegerField(null=True, help_text="Empty: the broker has no such queue.")
    counted_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.model}: {self.messages} messages"
