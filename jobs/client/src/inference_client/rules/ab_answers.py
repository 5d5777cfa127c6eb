"""Feedback and the reports of A/B tests as typed values."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from inference_client.answers import Problem

Value = float | str


class GivenFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a job under a name; a boolean is 1 or 0."""

    job: UUID
    name: str
    value: Value


class RemoteFeedbackOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one of many: `new` where it is stored now, False where it was; or a problem."""

    index: int
    job: UUID | None = None
    name: str | None = None
    value: Value | None = None
    new: bool | None = None
    problem: Problem | None = None


class FeedbackOutcomes(msgspec.Struct, frozen=True):
    """The outcomes of a call."""

    feedback: list[RemoteFeedbackOutcome]


class AbDifference(msgspec.Struct, frozen=True, kw_only=True):
    """An arm's mean less the reference's, with bounds that hold at every look, once there are some."""

    difference: float
    low: float | None
    high: float | None
    certain: bool


class AbRate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate from 0 to 1 with its 95 % interval, which holds for one look."""

    rate: float
    low: float
    high: float


class AbArm(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of an A/B test: what the rule gave to it, whatever became of it; times are in seconds.

    `failed` jobs have died, also where a replay answered them later, and `answered` ones have not.
    `device_s_per_job` is None while none has ended, and where it is not known. For `refused_s` circuits had
    jobs of the arm refused, and for a time those of `refused_clients` clients: these are in no figure.
    """

    version: str
    share: float
    is_reference: bool
    exposed: int
    keys: int
    finished: int
    answered: int
    failed: int
    moved: int
    with_feedback: int
    error_rate: AbRate | None = None
    error_difference: AbDifference | None = None
    p95_s: float | None = None
    device_s_per_job: float | None = None
    refused_s: float
    refused_clients: int


class AbNamedArm(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers that were given under one name in one arm."""

    version: str
    jobs: int
    keys: int
    mean: float | None = None
    difference: AbDifference | None = None


class AbNamed(msgspec.Struct, frozen=True, kw_only=True):
    """What clients said under one name; `labels` has for each text how many jobs of each version."""

    name: str
    arms: list[AbNamedArm]
    labels: dict[str, dict[str, int]] = {}


class RemoteAbReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the A/B test of a rule has shown so far; where it is not `valid`, it says nothing of versions."""

    model: str
    alias: str
    rule: int
    since: datetime
    sticky: str
    reference: str
    valid: bool
    sentence: str
    whole: bool
    arms: list[AbArm]
    feedback: list[AbNamed]
    until: datetime | None = None
    sample_ratio_p: float | None = None
