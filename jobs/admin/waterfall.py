"""Draws stages as bars on one axis of time: of a job's attempts, and of a batch's members side by side.

The SVG has presentation attributes and no styles, and its text takes the page's colour, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from jobs.core.batching.explain import seconds
from jobs.core.timeline.attempt_marks import AttemptMarks, JobStage, LedgerMarks, TimelinePart, split
from jobs.models import Batch, Job
from jobs.services.reads.job_timeline import JobTimeline, read_timeline
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, table

MEMBERS_DRAWN = 64
WIDTH, LEFT, RIGHT, ROW, HEAD = 1_000, 150, 110, 22, 26
LEAST = 1.5  # so wide is the shortest bar
# Readable on a light and on a dark page.
COLOURS = {
    JobStage.FOLLOW: "#8a63b8",
    JobStage.BACKOFF: "#b07a00",
    JobStage.OUTBOX: "#7a8794",
    JobStage.BROKER: "#c2571f",
    JobStage.BUFFER: "#c48a2c",
    JobStage.CLAIM: "#3a8f8c",
    JobStage.LANE: "#9a8f3c",
    JobStage.RUN: "#2f9e44",
    JobStage.SETTLE: "#2f7fc2",
}


class WaterfallRow(NamedTuple):
    """A line of bars; `address` is where its label leads, if anywhere."""

    label: str
    parts: Sequence[TimelinePart]
    address: str = ""


def waterfall(rows: Sequence[WaterfallRow], name: str) -> SafeString:
    """Return an SVG of rows of bars, each row with the sum of its seconds."""
    begin = min(part.begin for row in rows for part in row.parts)
    whole_s = max((part.end - begin).total_seconds() for row in rows for part in row.parts) or 1e-3
    per_s = (WIDTH - LEFT - RIGHT) / whole_s
    height = HEAD + ROW * len(rows) + 6
    lines = [_row(row, HEAD + ROW * number, begin, per_s) for number, row in enumerate(rows)]
    return format_html(
        '<div class="waterfall" tabindex="0">'
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{}"'
        ' viewBox="0 0 {} {}" font-size="12" fill="currentColor">{}{}</svg></div>',
        name, WIDTH, height, _axis(whole_s, per_s, height), mark_safe("".join(lines)),  # noqa: S308  # SafeStrings
    )  # fmt: skip


def _axis(whole_s: float, per_s: float, height: int) -> SafeString:
    ticks = [(LEFT + whole_s * quarter / 4 * per_s, whole_s * quarter / 4) for quarter in range(5)]
    line = (
        '<line x1="{0}" x2="{0}" y1="{1}" y2="{2}" stroke="currentColor" stroke-opacity="0.2"/>'
        '<text x="{0}" y="14" text-anchor="middle" fill-opacity="0.75">{3}</text>'
    )
    return format_html_join("", line, ((f"{x:.1f}", HEAD - 6, height, seconds(at)) for x, at in ticks))


def _row(row: WaterfallRow, y: int, begin: datetime, per_s: float) -> SafeString:
    label = format_html('<text x="0" y="{}">{}</text>', y + 14, row.label)
    if row.address:
        label = format_html('<a href="{}" fill="var(--link-fg)">{}</a>', row.address, label)
    took = format_html(
        '<text x="{}" y="{}" text-anchor="end">{}</text>',
        WIDTH,
        y + 14,
        seconds(sum(p.seconds for p in row.parts)),
    )
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}" rx="2" fill="{}"{}><title>{}</title></rect>',
        (_bar(part, y, begin, per_s) for part in row.parts),
    )
    return format_html("{}{}{}", label, bars, took)


def _bar(part: TimelinePart, y: int, begin: datetime, per_s: float) -> tuple[object, ...]:
    x = LEFT + (part.begin - begin).total_seconds() * per_s
    goes_on = mark_safe(' stroke="currentColor" stroke-dasharray="3 2"') if part.is_open else ""
    title = f"{part.part}: {seconds(part.seconds)}{' so far' if part.is_open else ''}"
    width = max(part.seconds * per_s, LEAST)
    return f"{x:.2f}", y + 3, f"{width:.2f}", ROW - 6, COLOURS[part.part], goes_on, title


def _legend(parts: Sequence[TimelinePart]) -> SafeString:
    seen = {part.part for part in parts}
    sign = '<svg width="12" height="12"><rect width="12" height="12" fill="{}"/></svg> {} &nbsp; '
    return format_html(
        "<p>{}</p>", format_html_join("", sign, ((COLOURS[p], p) for p in JobStage if p in seen))
    )


def job_waterfall(job: Job) -> SafeString | str:
    """Return why a job took so long: the cause in a sentence, its stages as bars, and each in words."""
    timeline = read_timeline(job.pk)
    if timeline is None:
        return NONE
    rows = list(_stage_rows(timeline))
    return format_html(
        "<p><strong>{}</strong> {}</p>{}{}",
        timeline.cause or "unknown", timeline.explanation, waterfall(rows, "the job's stages"),
        table(("attempt", "stage", "begin", "seconds", "what happened"), _words(timeline)),
    )  # fmt: skip


def _stage_rows(timeline: JobTimeline) -> Iterator[WaterfallRow]:
    several = len(timeline.attempts) > 1
    for attempt in timeline.attempts:
        for part in attempt.parts:
            yield WaterfallRow(f"{attempt.number}. {part.part}" if several else part.part.value, [part])


def _words(timeline: JobTimeline) -> Iterator[tuple[object, ...]]:
    for attempt in timeline.attempts:
        named = f"{attempt.number}: {attempt.outcome}{f' ({attempt.code})' if attempt.code else ''}"
        for part in attempt.parts:
            so_far = " so far" if part.is_open else ""
            took = f"{part.seconds:,.3f}{so_far}"
            yield named, part.part, moment(part.begin), took, timeline.sentence(attempt, part)


def batch_waterfall(batch: Batch) -> SafeString | str:
    """Return the stages of a batch's members side by side, those that waited longest first."""
    rows = sorted(
        (_member(batch, place, job) for place, job in enumerate(batch.members)),
        key=lambda row: row.parts[0].begin,
    )
    if not rows:
        return NONE
    drawn = rows[:MEMBERS_DRAWN]
    more = len(rows) - len(drawn)
    note = format_html("<p>The {} that waited longest of {}.</p>", len(drawn), len(rows)) if more else ""
    return format_html(
        "{}{}{}",
        _legend([part for row in drawn for part in row.parts]),
        waterfall(drawn, "the stages of the batch's members"),
        note,
    )


def _member(batch: Batch, place: int, job: UUID) -> WaterfallRow:
    marks = LedgerMarks(
        claimed_at=batch.claimed_at,
        due_ago_s=_at(batch.due_ago_s, place),
        published_ago_s=_at(batch.published_ago_s, place),
        buffered_s=_at(batch.buffered_s, place),
        sealed_ago_s=batch.sealed_ago_s,
        claim_s=batch.claim_s,
        lane_s=batch.lane_s,
        ran_s=batch.ran_s,
    )
    ends = marks.ends()
    begin = batch.claimed_at - timedelta(seconds=marks.due_ago_s or batch.waited_s)
    end, is_open = batch.finished_at or timezone.now(), batch.finished_at is None
    parts = split(AttemptMarks(begin=begin, end=max(end, begin), ends=ends, last=marks.last, is_open=is_open))
    return WaterfallRow(f"…{str(job)[-12:]}", parts, reverse("admin:jobs_job_change", args=(job,)))


def _at(column: Sequence[float | None] | None, place: int) -> float | None:
    return column[place] if column is not None and place < len(column) else None
