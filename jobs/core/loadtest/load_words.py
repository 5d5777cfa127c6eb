"""The options of a load test that are small languages of their own: durations, goals, the mix, the mode."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite

from jobs.core.priority import HIGHEST, LOWEST

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", re.ASCII)
_GOAL = re.compile(r"p(\d{1,2}(?:\.\d+)?)=(.+)", re.ASCII)
BULK_MOST = 10_000


class LoadWordError(ValueError):
    """A value cannot be used; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class LoadGoal:
    """At most `limit_s` for the fastest `percentile` percent of all jobs that the plan meant to send."""

    percentile: float
    limit_s: float

    def __str__(self) -> str:
        """Return what `parse_goals` reads: without an exponent."""
        return f"p{self.percentile:.15g}={round(self.limit_s * 1e3, 6):.15g}ms"


@dataclass(frozen=True, slots=True)
class MixPart:
    """A model by its ref, the priority of its jobs (None for the platform's own), and its weight."""

    model: str
    priority: int | None
    weight: float


def parse_rate(text: str) -> float:
    """Return jobs a second; LoadWordError."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not (isfinite(rate) and rate > 0.0):
        raise LoadWordError(f"{text} is no rate: give jobs a second above 0, such as 50")
    return rate


def parse_duration(text: str) -> float:
    """Return the seconds of `30`, `30s`, `200ms`, `5m` or `1h`; LoadWordError."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
    if seconds <= 0.0:
        raise LoadWordError(f"{text} is no time: write it as 200ms, 30s, 5m or 1h")
    return seconds


def parse_goals(text: str) -> list[LoadGoal]:
    """Return the goals of `p95=200ms,p99=1s`; LoadWordError."""
    return [_goal(word) for word in text.split(",")]


def _goal(word: str) -> LoadGoal:
    match = _GOAL.fullmatch(word)
    if match is None or float(match[1]) <= 0.0:
        raise LoadWordError(
            f"{word} is no goal: write it as p95=200ms, with a percentile above 0 and below 100"
        )
    return LoadGoal(float(match[1]), parse_duration(match[2]))


def parse_mix(text: str) -> list[MixPart]:
    """Return the parts of `minilm=3,minilm/9=1,echo`; LoadWordError."""
    return [_part(word) for word in text.split(",")]


def _part(word: str) -> MixPart:
    name, _, weight = word.partition("=")
    model, slash, priority = name.partition("/")
    try:
        part = MixPart(model, int(priority) if slash else None, float(weight or 1))
    except ValueError:
        part = MixPart("", None, 0.0)
    usable = part.model and isfinite(part.weight) and part.weight > 0.0
    if not usable or (part.priority is not None and not LOWEST <= part.priority <= HIGHEST):
        raise LoadWordError(
            f"{word} is no part of a mix: write MODEL=WEIGHT, or MODEL/PRIORITY=WEIGHT with a priority from"
            f" {LOWEST} to {HIGHEST}"
        )
    return part


def parse_mode(text: str) -> int:
    """Return how many jobs a call carries, 0 for single submits; LoadWordError."""
    if text == "single":
        return 0
    name, _, count = text.partition(":")
    if name == "bulk" and count.isdecimal() and 1 <= int(count) <= BULK_MOST:
        return int(count)
    raise LoadWordError(f"{text} is no mode: write single, or bulk:N with N from 1 to {BULK_MOST:,}")
