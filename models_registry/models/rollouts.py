"""What decides which version answers for an alias: rules, and the roll-outs that put them in force."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from models_registry.core.rollouts.rollout_states import LIVE, HoldReason, RolloutState
from models_registry.models.registered import ModelVersion, RegisteredModel

LIVE_STATES = sorted(state.value for state in LIVE)  # a set's order would differ from the migration's


class Rule(models.Model):
    """What answers for an alias from `at` on, and who decided it; the highest number is in force.

    Append-only. It outlives the rows that it names. A trigger refuses every change.
    """

    id = models.BigAutoField(primary_key=True)
    model = models.CharField(max_length=63)
    alias = models.CharField(max_length=63)
    number = models.PositiveIntegerField(help_text="Counts the rules of the alias, from 1.")
    document = models.JSONField(help_text="A RuleDocument.")
    sha256 = models.CharField(max_length=64, help_text="Of the document as canonical JSON.")
    steps = models.JSONField(
        null=True, blank=True, help_text="The plan of its cascade, as it was when the rule was put."
    )
    rollout = models.PositiveBigIntegerField(null=True, help_text="The roll-out that made it, if one did.")
    actor = models.CharField(max_length=127)
    reason = models.TextField(blank=True, db_default="")
    approvals = models.JSONField(default=list, help_text="Who approved the document, and when.")
    address = models.GenericIPAddressField(null=True, help_text="Empty for a command or the platform itself.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "alias", "number"], name="rule_number_once_per_alias")
        ]

    def __str__(self) -> str:
        return f"rule {self.number} of {self.model}@{self.alias}"


class Rollout(models.Model):
    """A candidate on its way to all traffic of an alias, or back.

    `share_ppm` and `met` are what holds now; `budget` bounds `met` until the candidate is proven.
    """

    id = models.BigAutoField(primary_key=True)
    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="rollouts")
    alias = models.CharField(max_length=63)
    stable = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    candidate = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    plan = models.JSONField(help_text="A Plan, with every field.")
    sha256 = models.CharField(
        max_length=64, help_text="Of the plan and both versions: what approvals are for."
    )
    salt = models.CharField(max_length=64, help_text="What its shares are drawn by.")
    state = models.CharField(
        max_length=11, choices=[(state.value, state.value) for state in RolloutState], default="planned"
    )
    hold = models.CharField(
        max_length=15,
        choices=[(reason.value, reason.value) for reason in HoldReason],
        blank=True,
        db_default="",
        help_text="Why it is held; empty unless it is.",
    )
    sentence = models.TextField(blank=True, db_default="", help_text="How it stands, for people.")
    step = models.PositiveSmallIntegerField(db_default=0, help_text="The index in the plan's steps.")
    share_ppm = models.PositiveIntegerField(db_default=0, help_text="The candidate's share now, per million.")
    budget = models.PositiveIntegerField(help_text="Jobs that the candidate may meet until it is proven.")
    met = models.PositiveIntegerField(db_default=0, help_text="Jobs that the candidate has claimed.")
    proven = models.BooleanField(db_default=False, help_text="Whether the budget has ceased to matter.")
    deaths = models.PositiveSmallIntegerField(db_default=0, help_text="Workers that died with its jobs.")
    rule = models.PositiveBigIntegerField(null=True, help_text="Its rule that is or was last in force.")
    actor = models.CharField(max_length=127)
    address = models.GenericIPAddressField(null=True, help_text="Empty for a command.")
    reason = models.TextField(blank=True, db_default="", help_text="What a person gave as the reason.")
    ticket = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Of the change, elsewhere."
    )
    created_at = models.DateTimeField(db_default=Now())
    state_since = models.DateTimeField(db_default=Now())
    step_since = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("roll_out", "Can start, pause, resume, promote and roll back roll-outs"),
            ("approve", "Can approve roll-outs"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "alias"],
                condition=Q(state__in=LIVE_STATES),
                name="rollout_one_live_per_alias",
            ),
        ]

    def __str__(self) -> str:
        return f"roll-out {self.pk} at @{self.alias}"


class RolloutApproval(models.Model):
    """One person's approval of a roll-out's plan; it is void once the plan's SHA-256 is another."""

    id = models.BigAutoField(primary_key=True)
    rollout = models.ForeignKey(Rollout, models.CASCADE, related_name="approvals")
    actor = models.CharField(max_length=127)
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rollout", "actor", "sha256"], name="rollout_approval_once")
        ]

    def __str__(self) -> str:
        return f"{self.actor} for roll-out {self.rollout_id}"
