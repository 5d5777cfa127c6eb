"""Webhooks: their deliveries, the secrets that sign them, and endpoints that refused them for good."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.core.webhooks.policy import DeliveryState
from jobs.models.client import Client
from jobs.models.job import Job


class Delivery(models.Model):
    """The webhook of a job with a callback_url, sent once the job has ended.

    While the job has not ended, `due` is empty; then it is the time of the next attempt.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="delivery")
    client = models.ForeignKey(Client, models.PROTECT, db_index=False)
    url = models.TextField()
    state = models.CharField(
        max_length=9, choices=[(state.value, state.value) for state in DeliveryState], db_default="waiting"
    )
    epoch = models.PositiveIntegerField(null=True, help_text="The epoch of the job's end that it reports.")
    due = models.DateTimeField(null=True)
    requested = models.PositiveIntegerField(
        db_default=0,
        db_column="sent",
        help_text="How often the next attempt was requested, because its message may be lost.",
    )
    attempts = models.PositiveIntegerField(db_default=0)
    attempts_before = models.PositiveIntegerField(
        db_default=0,
        db_column="before",
        help_text="Attempts before it was last sent by hand or its job was replayed.",
    )
    history = models.JSONField(db_default=[], help_text="The last attempts, oldest first.")
    discloses = models.BooleanField(
        db_default=False, help_text="It holds the output and metadata, which its submitter may read."
    )
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index("job", condition=Q(state="waiting", due__isnull=True), name="delivery_not_ended"),
            models.Index("client", "due", condition=Q(due__isnull=False), name="delivery_due_by_client"),
            models.Index("client", condition=Q(requested__gt=0), name="delivery_requested"),
        ]

    def __str__(self) -> str:
        return f"webhook of {self.job_id}"


class WebhookSecret(models.Model):
    """A secret that signs a client's webhooks; two are valid while one replaces the other."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="webhook_secrets")
    sealed = models.BinaryField(help_text="Encrypted with a key derived from SECRET_KEY.")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"secret {self.pk} of {self.client}"


class DisabledEndpoint(models.Model):
    """A URL that answered 410: no further webhook of that client is sent there."""

    client = models.ForeignKey(Client, models.CASCADE)
    url = models.TextField()
    since = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "disabled webhook address"
        verbose_name_plural = "disabled webhook addresses"
        constraints = [models.UniqueConstraint(fields=["client", "url"], name="disabled_endpoint_once")]

    def __str__(self) -> str:
        return f"{self.url} of {self.client}"
