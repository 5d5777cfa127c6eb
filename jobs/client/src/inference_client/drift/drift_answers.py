"""The drift of a model's versions as typed values."""

from __future__ import annotations

from datetime import datetime

import msgspec


class RemoteDriftHour(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of a field; the figures are None where it cannot be compared."""

    hour: datetime
    n: int
    missing: int
    psi: float | None = None
    distance: float | None = None
    bound: float | None = None
    exceeds: bool = False


class RemoteDriftSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a field: quantiles by share, such as `0.5`, or labels by count."""

    n: int
    missing: int
    quantiles: dict[str, float] | None = None
    labels: dict[str, int] | None = None


class RemoteDriftField(msgspec.Struct, frozen=True, kw_only=True):
    """A watched field; `last` are its values in the last hour that was compared."""

    field: str
    drifts: bool
    hours: list[RemoteDriftHour]
    reference: RemoteDriftSummary | None = None
    last: RemoteDriftSummary | None = None


class RemoteDriftAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that began to drift, each with its figures; `generation` where the alarm purged the cache."""

    id: int
    hour: datetime
    fields: dict[str, dict[str, float]]
    generation: int | None = None
    webhook: str | None = None
    attempts: int = 0
    answer: str = ""


class RemoteDriftReference(msgspec.Struct, frozen=True, kw_only=True):
    """What a version's hours are compared with."""

    origin: str
    jobs: int
    compared_from: datetime
    actor: str
    frozen_at: datetime


class RemoteVersionDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The drift of one version; without a reference, `jobs` of `jobs_required` were sampled towards it."""

    version: str
    sentence: str
    drifting: list[str]
    jobs: int
    jobs_required: int
    fields: list[RemoteDriftField]
    alarms: list[RemoteDriftAlarm]
    reference: RemoteDriftReference | None = None


class RemoteDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The drift of a model's watched versions, newest first."""

    model: str
    versions: list[RemoteVersionDrift]
