"""The clients that own jobs, and their tokens."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.core.access.scopes import Scope, default_scopes

SCOPES = [scope.value for scope in Scope]


class Client(models.Model):
    """An internal app, the owner of jobs."""

    name = models.CharField(max_length=63, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    requests_per_s = models.FloatField(
        null=True, blank=True, help_text="Jobs a second, each item of a bulk call counted. Empty: no limit."
    )
    requests_burst = models.PositiveIntegerField(
        null=True, blank=True, help_text="Jobs at once after a pause. Empty: as many as in two seconds."
    )
    bytes_per_s = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Bytes of input a second; after a pause those of ten seconds at once. Empty: no limit.",
    )
    most_in_flight = models.PositiveIntegerField(
        null=True, blank=True, help_text="Jobs that wait or run at the same time. Empty: no limit."
    )

    models = ArrayField(
        models.CharField(max_length=63),
        default=list,
        db_default=[],
        blank=True,
        help_text="Names of the models that it may use, with commas between. Empty: all.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(requests_per_s__isnull=True) | Q(requests_per_s__gt=0), name="quota_above_zero"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A bearer token of a client; only its SHA-256 is stored."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="tokens")
    label = models.CharField(max_length=63, blank=True, default="")
    scopes = ArrayField(models.CharField(max_length=15), default=default_scopes)
    digest = models.BinaryField(max_length=32, unique=True)
    prefix = models.CharField(max_length=12, help_text="The first characters, to distinguish tokens.")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="When an operator let it end; it cannot be rotated since."
    )
    replaces = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        db_index=False,
        help_text="The token that it replaces after a rotation.",
    )

    class Meta:
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=SCOPES) & Q(scopes__len__gt=0), name="token_scopes_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.client} {self.prefix}…"
