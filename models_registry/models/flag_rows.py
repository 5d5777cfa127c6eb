"""Flags in force, and every change of one."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from models_registry.models.registered import NAME


class Flag(models.Model):
    """A flag in force, and who put it so; the row goes when the flag is removed.

    `number` counts its changes, those before a removal included.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    number = models.PositiveIntegerField(help_text="Counts the changes of the flag, from 1.")
    document = models.JSONField(help_text="A FlagDocument.")
    sha256 = models.CharField(max_length=64, help_text="Of the document as canonical JSON.")
    expires_at = models.DateTimeField(help_text="When it is to be removed; it works on after that.")
    actor = models.CharField(max_length=127)
    reason = models.TextField(blank=True, db_default="")
    at = models.DateTimeField(db_default=Now(), help_text="Since when it is as it is.")

    def __str__(self) -> str:
        return self.name


class FlagChange(models.Model):
    """A flag as it was from `at` on, and who decided it; the highest number until a moment held then.

    Append-only. It outlives the flag. A trigger refuses every change.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=63)
    number = models.PositiveIntegerField(help_text="Counts the changes of the flag, from 1.")
    document = models.JSONField(null=True, blank=True, help_text="Empty: the flag was removed.")
    sha256 = models.CharField(max_length=64, blank=True, default="")
    actor = models.CharField(max_length=127)
    reason = models.TextField(blank=True, db_default="")
    address = models.GenericIPAddressField(null=True, help_text="Empty for a command.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "number"], name="flag_change_once_per_number")]

    def __str__(self) -> str:
        return f"change {self.number} of {self.name}"
