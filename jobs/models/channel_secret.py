"""The secret part of the names of NOTIFY channels."""

from __future__ import annotations

from django.db import models


class ChannelSecret(models.Model):
    """One row, made with the table: `jobs_channel` puts its secret behind a channel's name."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    secret = models.CharField(max_length=32)

    def __str__(self) -> str:
        return "the secret of the channels"
