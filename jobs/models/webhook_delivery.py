"""Where apps are told of their jobs' ends: what is to be sent, what it is signed with, who wants no more."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.core.webhooks.policy import DeliveryState
from jobs.models.client import Client
from jobs.models.job import Job


class Delivery(models.Model):
    """The webhook of a job that has a callback_url, told once the job has ended.

    While it waits for that, `due` is empty; then it says when the webhook is sent, unless it ends before.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="delivery")
    client = models.ForeignKey(Client, models.PROTECT, db_index=False)
    url = models.TextField()
    state = models.CharField(
        max_length=9, choices=[(state.value, state.value) for state in DeliveryState], db_default="waiting"
    )
    epoch = models.PositiveIntegerField(null=True, help_text="Of the job's end that it tells of.")
    due = models.DateTimeField(null=True)
    requested = models.PositiveIntegerField(
        db_default=0,
        db_column="sent",
        help_text="How often the next attempt was asked for: its message may be lost.",
    )
    attempts = models.PositiveIntegerField(db_default=0)
    attempts_before = models.PositiveIntegerField(
        db_default=0,
        db_column="before",
        help_text="Attempts before it was last sent by hand, or its job replayed.",
    )
    history = models.JSONField(db_default=[], help_text="The last attempts, oldest first.")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index("job", condition=Q(state="waiting", due__isnull=True), name="delivery_not_ended"),
            models.Index("due", condition=Q(due__isnull=False), name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"webhook of {self.job_id}"


class WebhookSecret(models.Model):
    """What a client's webhooks are signed with; two at once while one replaces the other."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="webhook_secrets")
    sealed = models.BinaryField(help_text="Encrypted with a key made from SECRET_KEY.")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"secret {self.pk} of {self.client}"


class DisabledEndpoint(models.Model):
    """An address that answered 410: nothing more of that client is sent there."""

    client = models.ForeignKey(Client, models.CASCADE)
    url = models.TextField()
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "url"], name="disabled_endpoint_once")]

    def __str__(self) -> str:
        return f"{self.url} of {self.client}"
