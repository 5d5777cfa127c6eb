"""The decision of a rule for one job: which version answers it, in which arm, and why. Pure."""

from __future__ import annotations

from enum import StrEnum


class Arm(StrEnum):
    """The group that a job was routed to; the value is stored in Postgres and shown by the API."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"
    STABLE = "stable"
    FALLBACK = "fallback"
