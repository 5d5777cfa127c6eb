"""What `manage.py rules report` prints and writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jobs.core.ab_tests.ab_report import AbReport, ArmDifference, ArmReport
from jobs.core.ab_tests.ab_words import unit_words
from jobs.management.rollouts.printed import as_json
from jobs.services.ab_tests.ab_page import ab_page
from jobs.services.ab_tests.ab_pictures import ab_pictures


def ab_text(report: AbReport) -> str:
    """Return a report as text: what it says first, then arm by arm."""
    return "\n".join(_lines(report))


def write_ab_files(report: AbReport, folder: Path) -> None:
    """Write a report as JSON and HTML, and its pictures, into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(as_json(report))
    (folder / "report.html").write_text(ab_page(report))
    for name, picture in ab_pictures(report).items():
        (folder / f"{name.replace(' ', '_')}.png").write_bytes(picture)


def _lines(report: AbReport) -> Iterator[str]:
    yield f"A/B test by rule {report.rule} of {report.model}@{report.alias}: {report.sentence}"
    if not report.whole:
        yield "Only the first jobs of the test are counted."
    yield from (_arm(arm, report) for arm in report.arms)
    if report.sample_ratio_p is not None:
        yield f"sample ratio: p = {report.sample_ratio_p:.4g}{'' if report.got_shares else ', INVALID'}"
    for named in report.feedback:
        for arm in named.arms:
            mean = "no number" if arm.mean is None else f"mean {arm.mean:.5g}"
            of = f"{arm.jobs:,} jobs, {arm.keys:,} {unit_words(report.sticky)}"
            yield f"{named.name} of {arm.version}: {mean} of {of}{_difference(arm.difference, report)}"
        for label, jobs in named.labels.items():
            counts = ", ".join(f"{version} {count:,}" for version, count in sorted(jobs.items()))
            yield f"{named.name} = {label!r}: {counts}"


def _arm(arm: ArmReport, report: AbReport) -> str:
    moved = f", {arm.moved:,} answered by another version" if arm.moved else ""
    errors = ""
    if arm.error_rate is not None:
        errors = f", errors {arm.error_rate.rate:.3%} ({arm.error_rate.low:.3%} to {arm.error_rate.high:.3%})"
    p95 = "" if arm.p95_s is None else f", p95 {arm.p95_s:.3f} s"
    device = ", device unknown" if arm.finished else ""
    if arm.device_s_per_job is not None:
        device = f", device {arm.device_s_per_job:.6f} s a job"
    refused = f", refused for {arm.refused_s:,.0f} s" if arm.refused_s else ""
    exposed = f"{arm.exposed:,} jobs of {arm.keys:,} {unit_words(report.sticky)}"
    return (
        f"{arm.version} ({arm.share:.2%}): {exposed}, {arm.finished:,} ended, {arm.with_feedback:,} with"
        f" feedback{moved}{refused}{errors}{p95}{device}{_difference(arm.error_difference, report)}"
    )


def _difference(found: ArmDifference | None, report: AbReport) -> str:
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"; {found.difference:+.5g} to {report.reference}, no bounds yet"
    certain = ", certain" if found.certain else ""
    return f"; {found.difference:+.5g} to {report.reference} ({found.low:+.5g} to {found.high:+.5g}{certain})"
