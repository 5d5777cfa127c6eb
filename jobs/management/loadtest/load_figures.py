"""Makes the report of what was noted while the load ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from hdrh.histogram import HdrHistogram

from jobs.core.loadtest.load_report import (
    LatencySpread,
    LoadRates,
    LoadReport,
    LoadSettings,
    LoadSlice,
)
from jobs.core.loadtest.load_verdict import distrust, goal_result, verdict_of
from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.loadtest.send_times import slices_of
from jobs.management.loadtest.load_record import ACCEPTED, JobFate, JobRecord, LoadRecord

LONGEST_US, DIGITS, SLICE_DIGITS = 24 * 3_600_000_000, 3, 2
US = 1e6


def report_of(
    record: LoadRecord, settings: LoadSettings, goals: Sequence[LoadGoal], began: datetime
) -> LoadReport:
    """Return the report of a run."""
    sums, ends = record.sums(), settings.wait != "none"
    jobs = list(record.jobs())
    measured = [(job, latency_s(job, ends=ends)) for job in jobs]
    latencies_s = sorted(value for _, value in measured if value is not None)
    unmeasured = sum(job.fate is JobFate.SUCCEEDED and job.ended_s is None for job in jobs) if ends else 0
    lost = len(jobs) - len(latencies_s) - unmeasured
    results = [goal_result(goal, latencies_s, lost) for goal in goals]
    late_ms = spread(record.late_s)
    measured_jobs = len(latencies_s) if ends else sums.accepted
    verdict, reasons = verdict_of(distrust(sums, late_ms.p99, unmeasured), results, measured=measured_jobs)
    slice_s = settings.duration_s / slices_of(settings.duration_s)
    return LoadReport(
        format="inference-loadtest/1",
        verdict=verdict,
        reasons=reasons,
        began_at=began.isoformat(timespec="seconds"),
        settings=settings,
        sums=sums,
        unmeasured=unmeasured,
        rates=_rates(jobs, settings.duration_s, ends=ends),
        measured="ended" if ends else "accepted",
        latency_ms=spread(latencies_s),
        accepted_ms=spread(job.accepted_s - job.due_s for job in jobs if job.accepted_s is not None),
        lateness_ms=late_ms,
        goals=results,
        errors=dict(record.errors.most_common()),
        details=dict(record.details),
        models=_by_model(measured),
        slice_s=slice_s,
        slices=_slices(measured, slice_s, slices_of(settings.duration_s)),
        hdr=histogram(latencies_s).encode().decode(),
    )


def latency_s(job: JobRecord, *, ends: bool) -> float | None:
    """Return the time from the intended moment: to the end of a job that succeeded, or to its acceptance."""
    if not ends:
        return None if job.accepted_s is None or job.fate in LOST_FATES else job.accepted_s - job.due_s
    if job.fate is not JobFate.SUCCEEDED or job.ended_s is None:
        return None
    return job.ended_s - job.due_s


LOST_FATES = frozenset({JobFate.DEAD, JobFate.EXPIRED, JobFate.CANCELLED, JobFate.UNFINISHED})


def histogram(values_s: Iterable[float], digits: int = DIGITS) -> HdrHistogram:
    """Return a histogram of times in microseconds."""
    histogram = HdrHistogram(1, LONGEST_US, digits)
    for value in values_s:
        histogram.record_value(max(1, round(value * US)))
    return histogram


def spread(values_s: Iterable[float]) -> LatencySpread:
    """Return the spread of times."""
    own = histogram(values_s)
    if not (count := own.get_total_count()):
        return LatencySpread(count=0)
    at = {
        name: own.get_value_at_percentile(percent) / 1e3
        for name, percent in (("p50", 50), ("p95", 95), ("p99", 99), ("p999", 99.9))
    }
    return LatencySpread(
        count=count, mean=round(own.get_mean_value() / 1e3, 3), max=own.get_max_value() / 1e3, **at
    )


def _rates(jobs: Sequence[JobRecord], duration_s: float, *, ends: bool) -> LoadRates:
    ended = (job.ended_s for job in jobs if job.fate is JobFate.SUCCEEDED and job.ended_s is not None)
    accepted = sum(job.accepted_s is not None and job.accepted_s <= duration_s for job in jobs)
    sent = sum(job.sent_s is not None and job.sent_s <= duration_s for job in jobs)
    in_time = sum(end <= duration_s for end in ended)
    return LoadRates(
        intended=round(len(jobs) / duration_s, 3),
        sent=round(sent / duration_s, 3),
        accepted=round(accepted / duration_s, 3),
        throughput=round(in_time / duration_s, 3) if ends else None,
    )


def _by_model(measured: Iterable[tuple[JobRecord, float | None]]) -> dict[str, LatencySpread]:
    by_model: dict[str, list[float]] = {}
    for job, latency in measured:
        own = by_model.setdefault(job.planned.model, [])
        if latency is not None:
            own.append(latency)
    return {model: spread(values) for model, values in sorted(by_model.items())}


def _slices(
    measured: Sequence[tuple[JobRecord, float | None]], slice_s: float, count: int
) -> list[LoadSlice]:
    own: list[list[tuple[JobRecord, float | None]]] = [[] for _ in range(count)]
    finished = [0] * count
    for job, latency in measured:
        own[min(count - 1, int(job.due_s / slice_s))].append((job, latency))
        place = -1 if latency is None else int((job.due_s + latency) / slice_s)
        if 0 <= place < count:
            finished[place] += 1
    return [_slice(number * slice_s, *pair) for number, pair in enumerate(zip(own, finished, strict=True))]


def _slice(at_s: float, jobs: Sequence[tuple[JobRecord, float | None]], finished: int) -> LoadSlice:
    fates = [job.fate for job, _ in jobs]
    values = histogram((latency for _, latency in jobs if latency is not None), SLICE_DIGITS)
    return LoadSlice(
        at_s=round(at_s, 3),
        intended=len(jobs),
        sent=sum(fate is not JobFate.NOT_SENT for fate in fates),
        accepted=sum(fate in ACCEPTED for fate in fates),
        succeeded=fates.count(JobFate.SUCCEEDED),
        finished=finished,
        latencies_us={
            item.value_iterated_to: item.count_added_in_this_iter_step
            for item in values.get_recorded_iterator()
        },
    )
