"""What a report on a cascade says in words and cells, for the page, the command and the admin."""

from __future__ import annotations

from jobs.core.cascades.cascade_report import CascadeReport

UNKNOWN = "\N{EN DASH}"
MOST_ROWS = 12


def headline(report: CascadeReport) -> str:
    """Return the report in a sentence."""
    if not report.jobs:
        return "No job of this cascade has ended yet."
    parts = [f"{report.escalated:,} of {report.jobs:,} jobs ({percent(report.escalated_share)}) went on"]
    if report.degraded:
        parts.append(f"{report.degraded:,} have an earlier answer than was due")
    if report.last_accuracy is not None:
        parts.append(
            f"{percent(report.last_accuracy)} of {report.labelled:,} labelled results are right, and"
            f" {percent(report.first_accuracy)} of the first answers"
        )
    return "; ".join(parts) + "."


def figure_rows(report: CascadeReport) -> list[tuple[str, str]]:
    """Return the figures of the whole cascade by name."""
    return [
        ("jobs that have ended", f"{report.jobs:,}"),
        ("went on to a later step", f"{report.escalated:,} ({percent(report.escalated_share)})"),
        ("degraded", f"{report.degraded:,}"),
        ("device time", f"{report.device_s:,.3f} s"),
        ("device time a job", millis(report.device_s_per_job)),
        ("labelled jobs", f"{report.labelled:,}"),
        ("right first answers", percent(report.first_accuracy)),
        ("right results", percent(report.last_accuracy)),
        ("labels that a later step changed", percent(report.changed_share)),
    ]


def step_rows(report: CascadeReport) -> list[tuple[str, ...]]:
    """Return for each step its version, its jobs, how they ended, and its device time in all and a job."""
    return [
        (
            step.version,
            f"{step.jobs:,}",
            ", ".join(f"{name} {number:,}" for name, number in sorted(step.ends.items())),
            f"{step.device_s:,.3f} s",
            millis(step.device_s_per_job),
        )
        for step in report.steps
    ]


def curve_rows(report: CascadeReport) -> list[tuple[str, ...]]:
    """Return some points of the curve: threshold, share that goes on, device time a job, right answers."""
    curve = report.curve
    if len(curve) > MOST_ROWS:
        places = {round(at * (len(curve) - 1) / (MOST_ROWS - 1)) for at in range(MOST_ROWS)}
        places.add(next(at for at, point in enumerate(curve) if point.below == report.threshold))
        curve = [curve[at] for at in sorted(places)]
    return [
        (
            f"{point.below:.4g}",
            percent(point.escalated_share),
            millis(point.device_s_per_job),
            _between(point.accuracy_low, point.accuracy_high),
        )
        for point in curve
    ]


def percent(share: float | None) -> str:
    """Return a share in per cent."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def millis(seconds: float | None) -> str:
    """Return seconds as milliseconds."""
    return UNKNOWN if seconds is None else f"{1e3 * seconds:.3g} ms"


def _between(low: float | None, high: float | None) -> str:
    if low is None or high is None or low == high:
        return percent(low)
    return f"{percent(low)} to {percent(high)}"
