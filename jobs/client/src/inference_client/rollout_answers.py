"""Rules and roll-outs as typed values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

ENDED = frozenset({"done", "refused", "rolled_back", "cancelled"})


class Approval(msgspec.Struct, frozen=True):
    """Who approved a roll-out's plan, and when."""

    actor: str
    at: datetime


class RolloutChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a roll-out stands; `hold` is why it is held, `share` the candidate's, from 0 to 1.

    The candidate has met `met` jobs, and may meet `budget` until it is `proven`.
    """

    id: int
    model: str
    alias: str
    stable: str
    candidate: str
    state: str
    sentence: str
    step: int
    share: float
    met: int
    budget: int
    proven: bool
    state_since: datetime
    deaths: int = 0
    hold: str | None = None
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Return whether the roll-out is in a final state."""
        return self.state in ENDED


class RemoteRollout(RolloutChange, frozen=True, kw_only=True):
    """A roll-out with its plan, its evidence (`numbers`) and who is behind it.

    Its steps are shares from 0 to 1; an approval is for the `sha256`.
    """

    plan: dict[str, Any]
    sha256: str
    actor: str
    created_at: datetime
    step_since: datetime
    steps: list[float] = []
    rule: int | None = None
    reason: str = ""
    ticket: str = ""
    approvals: list[Approval] = []
    approvals_required: int = 0
    numbers: dict[str, Any] = {}


class RemoteRule(msgspec.Struct, frozen=True, kw_only=True):
    """What answers for an alias since `at`, and who decided it; the highest number is in force."""

    id: int
    model: str
    alias: str
    number: int
    document: dict[str, Any]
    sha256: str
    actor: str
    at: datetime
    rollout: int | None = None
    reason: str = ""
    approvals: list[dict[str, Any]] = []


class PreviewedJob(msgspec.Struct, frozen=True, kw_only=True):
    """What one job would get, in which arm, and why."""

    version: str
    arm: str
    why: str
    bucket: int
    job: str | None = None


class PreviewedRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would decide for `total` jobs; `decisions` are those of the first ones.

    `document` is the rule with its salt: put in force as it is, the same jobs get the same. The input of
    `gone` more jobs is gone or cannot be read.
    """

    total: int
    gone: int = 0
    document: dict[str, Any] = {}
    by_version: dict[str, int]
    by_arm: dict[str, int]
    decisions: list[PreviewedJob]


class RemoteShadow(msgspec.Struct, frozen=True, kw_only=True):
    """The version that runs copies of an alias's jobs, by the rule `number`, and what it has shown so far.

    `report` has the copies, failures, agreement, service times, labels and the largest differences.
    """

    model: str
    alias: str
    number: int
    version: str
    stable: str
    share: float
    batch_s: float
    time_share: float
    state: str
    sentence: str
    since: datetime
    changed_at: datetime
    reason: str = ""
    actor: str = ""
    report: dict[str, Any] = {}
    ran_at: datetime | None = None


class RolloutList(msgspec.Struct, frozen=True):
    """Roll-outs, newest first."""

    rollouts: list[RolloutChange]


class RuleList(msgspec.Struct, frozen=True):
    """Rules, newest first."""

    rules: list[RemoteRule]


class CascadeStep(msgspec.Struct, frozen=True):
    """What the version of a step did: `ends` counts how its steps ended."""

    version: str
    jobs: int
    ends: dict[str, int]
    device_s: float
    device_s_per_job: float | None = None


class ThresholdPoint(msgspec.Struct, frozen=True):
    """What a threshold would do; between the two accuracies lies what no stored answer says."""

    below: float
    escalated_share: float
    device_s_per_job: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None


class CascadeFigures(msgspec.Struct, frozen=True):
    """What a cascade did. Shares and accuracies are from 0 to 1, and None where nothing is known."""

    jobs: int
    escalated: int
    degraded: int
    device_s: float
    labelled: int
    threshold: float
    steps: list[CascadeStep]
    curve: list[ThresholdPoint]
    escalated_share: float | None = None
    device_s_per_job: float | None = None
    first_accuracy: float | None = None
    last_accuracy: float | None = None
    changed_share: float | None = None


class RemoteCascade(msgspec.Struct, frozen=True):
    """The cascade of a rule: its plan, and the report on its jobs."""

    model: str
    alias: str
    rule: int
    plan: list[dict[str, Any]]
    report: CascadeFigures
