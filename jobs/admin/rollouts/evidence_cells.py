"""What the judge knows of a roll-out, in tables beside the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import one_line
from jobs.admin.rollouts.curve_points import ArmRate, CurvePoint, acts_of
from jobs.admin.rollouts.latencies import percentiles
from jobs.admin.rollouts.rollout_columns import words
from models_registry.core.rollouts.judging.findings import (
    ALPHA_FAILURES,
    ALPHA_OTHERS,
    SUSPICIOUS_E,
    RolloutTest,
)
from models_registry.core.rollouts.judging.progress_words import TEST_WORDS
from models_registry.models import Rollout
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, table, wide

PICTURE = "models_registry_rollout_picture"
_IMAGE = '<img src="{}?at={}" alt="{}; the table below has the numbers" class="picture">'
_OF_TIME = {
    RolloutTest.LATENCY: "batches above the median",
    RolloutTest.DUEL_TIME: "batches that took too long",
    RolloutTest.AGREEMENT: "pairs that differ",
}


def picture(rollout: Rollout, name: str, about: str, version: object) -> SafeString:
    """Return an image; each `version` of it has its own address, so that no browser shows an old one."""
    address = reverse(f"admin:{PICTURE}", args=(rollout.pk, name))
    return wide(format_html(_IMAGE, address, version, about))


def timeline_cell(rollout: Rollout, points: Sequence[CurvePoint]) -> SafeString | str:
    """Return the shares over time, and each act with what explained it."""
    if not points:
        return "nothing has happened yet"
    rows = [
        (
            moment(point.at),
            words(point.act),
            f"{point.share_ppm / 10_000:g} %",
            one_line(f"{point.met:,} of {point.budget:,}"),
            point.document.get("actor") or NONE,
            point.document.get("reason") or NONE,
            point.document.get("sentence") or NONE,
        )
        for point in acts_of(points)
    ]
    numbers = table(("when", "act", "share", "met", "by", "reason", "how it stood"), rows)
    image = picture(rollout, "shares", "The candidate's share over time", points[-1].key)
    return format_html("{}{}", image, numbers)


def evidence_cell(rollout: Rollout, points: Sequence[CurvePoint]) -> SafeString | str:
    """Return the e-values against their bounds, and how far the proof is."""
    numbers = points[-1].numbers if points else {}
    rows = [_finding(test, numbers) for test in RolloutTest if f"e_{test}" in numbers]
    if not rows:
        return "nothing was judged yet"
    headers = ("test", "e-value", "suspicious above", "rolls back at", "difference", "of")
    image = picture(rollout, "evidence", "The evidence against its bounds over time", points[-1].key)
    return format_html(
        "{}{}{}", image, table(headers, rows), table(("proof", "so far", "needed"), _proof(numbers))
    )


def _finding(test: RolloutTest, numbers: Mapping[str, float]) -> tuple[object, ...]:
    bar = 1 / (ALPHA_FAILURES if test is RolloutTest.FAILURES else ALPHA_OTHERS)
    harm = numbers.get(f"harm_{test}")
    return (
        TEST_WORDS[test],
        f"{numbers[f'e_{test}']:,.3g}",
        f"{SUSPICIOUS_E:g}",
        f"{bar:,.0f}",
        NONE if harm is None else f"{100 * harm:+.2f} points",
        _OF_TIME.get(test, "keys"),
    )


def _proof(numbers: Mapping[str, float]) -> list[tuple[object, ...]]:
    rows = [
        ("keys of the candidate judged", "judged", "keys_needed"),
        ("pairs of runs in duels", "pairs", "pairs_needed"),
    ]
    return [(name, _count(numbers, so_far), _count(numbers, needed)) for name, so_far, needed in rows]


def _count(numbers: Mapping[str, float], name: str) -> str:
    return f"{numbers[name]:,.0f}" if name in numbers else NONE


def errors_cell(rollout: Rollout, points: Sequence[CurvePoint]) -> SafeString | str:
    """Return the error rates of both versions with their intervals."""
    ours, theirs = (points[-1].rate(arm) if points else None for arm in ("", "_stable"))
    if ours is None and theirs is None:
        return "nothing was judged yet"
    rows = [_rate(str(rollout.candidate), ours), _rate(str(rollout.stable), theirs)]
    headers = ("version", "keys judged", "failed", "rate", "95 % interval")
    image = picture(rollout, "errors", "The error rates over time with 95 % intervals", points[-1].key)
    note = (
        "An interval holds for one look. The e-values above, which roll back, hold however often one looks."
    )
    return format_html('{}{}<p class="note">{}</p>', image, table(headers, rows), note)


def _rate(name: str, rate: ArmRate | None) -> tuple[object, ...]:
    if rate is None:
        return name, 0, NONE, NONE, NONE
    low, high = rate.interval
    return name, f"{rate.judged:,}", f"{rate.failed:,}", f"{rate.rate:.2%}", f"{low:.2%} to {high:.2%}"


def latency_cell(rollout: Rollout, seconds: Mapping[str, Sequence[float]]) -> SafeString | str:
    """Return the latencies of the candidate's and the baseline's jobs."""
    if not seconds:
        return "no job of the candidate or of its baseline has ended yet"
    rows = [
        (
            row.arm,
            f"{row.jobs:,}",
            *(f"{value * 1_000:,.1f} ms" for value in (row.p50_s, row.p95_s, row.p99_s)),
        )
        for row in percentiles(seconds)
    ]
    version = sum(len(values) for values in seconds.values())
    image = picture(rollout, "latency", "How long jobs of the candidate and its baseline took", version)
    note = "Jobs that their first version answered; the baseline is the stable version in batches of its own."
    headers = ("arm", "jobs", "median", "p95", "p99")
    return format_html('{}{}<p class="note">{}</p>', image, table(headers, rows), note)
