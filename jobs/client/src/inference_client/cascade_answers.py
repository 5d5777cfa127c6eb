"""Reports on cascades as typed values."""

from __future__ import annotations

from typing import Any

import msgspec


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
