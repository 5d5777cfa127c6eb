"""What a person may do to a roll-out: which acts a page offers to whom, and what each one needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest

from jobs.admin.rights import may_approve, may_roll_out
from jobs.services.rollouts import acts
from jobs.services.rollouts.changing import proposers
from models_registry.core.rollouts.rollout_plan import MOST_BUDGET
from models_registry.core.rollouts.rollout_states import (
    LIVE,
    ROLLOUT_TRANSITIONS,
    HoldReason,
    RolloutState,
    RolloutVerb,
)
from models_registry.models import Rollout

REASON_CHARS = 500


class ReasonForm(forms.Form):
    """Why a person acts."""

    seen = forms.CharField(max_length=200, required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=REASON_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept with the roll-out, in its record and in the audit.",
    )


class NoteForm(ReasonForm):
    """A reason that may be empty."""

    field_order = ("seen", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Let the reason be empty."""
        super().__init__(*args, **kwargs)
        self.fields["reason"].required, self.fields["reason"].label = False, "Reason, if any"


class PromoteForm(NoteForm):
    """A promotion, and why it goes on where the judge has not seen enough."""

    anyway = forms.CharField(
        max_length=REASON_CHARS, required=False, label="Anyway, because",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Only where the evidence is not enough: it is refused without this then.",
    )  # fmt: skip


class BudgetForm(ReasonForm):
    """How many jobs more the candidate may meet."""

    budget = forms.IntegerField(
        min_value=1, max_value=MOST_BUDGET, label="Budget",
        help_text="How many jobs the candidate may meet in all until it is proven.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RolloutAct:
    """An act with its words; `states` are those in which it is offered.

    `fenced`: it is refused where the roll-out has changed since the page was shown. Going back never is.
    """

    name: str
    label: str
    about: str
    states: frozenset[RolloutState]
    service: Callable[..., Any]
    form: type[ReasonForm] = ReasonForm
    may: Callable[[HttpRequest], bool] = may_roll_out
    is_grave: bool = False
    fenced: bool = True

    def offered(self, request: HttpRequest, rollout: Rollout) -> bool:
        """Return whether the page of this roll-out offers the act to this user."""
        if not self.may(request) or rollout.state not in self.states:
            return False
        if self.name == "approve":
            return _may_still_approve(request.user.get_username(), rollout)
        if self.name == "pause":
            return rollout.hold != HoldReason.PAUSED
        return self.name != "grant_budget" or not rollout.proven


def _may_still_approve(person: str, rollout: Rollout) -> bool:
    """Return whether an approval of this person counts: never of the person's own, and once a plan."""
    if not rollout.model.approvals or person in proposers(rollout):
        return False
    return not rollout.approvals.filter(actor=person, sha256=rollout.sha256).exists()


def _sources(verb: RolloutVerb) -> frozenset[RolloutState]:
    return ROLLOUT_TRANSITIONS[verb][0]


_EXPOSED = _sources(RolloutVerb.ROLL_BACK)
ACTS: dict[str, RolloutAct] = {
    act.name: act
    for act in (
        RolloutAct(
            "approve", "Approve",
            "You approve the plan as it stands below: these versions, steps and limits.",
            LIVE, acts.approve, form=NoteForm, may=may_approve,
        ),
        RolloutAct(
            "resume", "Resume",
            "The candidate gets its share back, and the judge goes on with what it knows.",
            _sources(RolloutVerb.RESUME), acts.resume, form=NoteForm,
        ),
        RolloutAct(
            "promote", "Promote",
            "It takes its next step now, or is done where it bakes, before its time.",
            _EXPOSED, acts.promote, form=PromoteForm,
        ),
        RolloutAct(
            "grant_budget", "Grant budget",
            "The candidate may meet more jobs before it is proven. The plan is another one then: earlier"
            " approvals are void.",
            LIVE, acts.grant_budget, form=BudgetForm,
        ),
        RolloutAct(
            "pause", "Pause",
            "The candidate gets no more jobs until a person resumes the roll-out; those that wait for it go"
            " to the stable version.",
            _sources(RolloutVerb.HOLD), acts.pause, fenced=False,
        ),
        RolloutAct(
            "roll_back", "Roll back",
            "The stable version answers all jobs again, those that wait for the candidate are taken back, and"
            " the candidate is blocked.",
            _EXPOSED, acts.roll_back, is_grave=True, fenced=False,
        ),
        RolloutAct(
            "cancel", "Cancel",
            "The roll-out ends and the stable version answers all jobs. The candidate is not blocked: it may"
            " be rolled out again.",
            _sources(RolloutVerb.CANCEL), acts.cancel, is_grave=True, fenced=False,
        ),
    )
}  # fmt: skip


def offered(request: HttpRequest, rollout: Rollout) -> list[RolloutAct]:
    """Return the acts that this user may do to a roll-out as it is."""
    return [act for act in ACTS.values() if act.offered(request, rollout)]


def standing_of(rollout: Rollout) -> str:
    """Return what a person saw of a roll-out before an act: another value means that it has changed."""
    return f"{rollout.state}:{rollout.hold}:{rollout.step}:{rollout.budget}:{rollout.sha256}"
