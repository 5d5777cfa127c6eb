"""The standing report of a shadow, and its result in sentences: ids, counts and scores, no payload. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from jobs.core.shadow.shadow_counts import ShadowCounts
from jobs.core.trials.backtest_report import backtest_report
from jobs.core.trials.trial_specs import BacktestSpec


class CopyCounts(NamedTuple):
    """What became of the copies of a shadow: they wait, were run, or were dropped."""

    open: int
    run: int
    old: int
    unwanted: int
    lost: int

    @property
    def dropped(self) -> int:
        """Return how many were dropped."""
        return self.old + self.unwanted + self.lost

    @property
    def made(self) -> int:
        """Return how many were made."""
        return self.open + self.run + self.dropped


def shadow_report(counts: ShadowCounts, copies: CopyCounts, spec: BacktestSpec) -> dict[str, Any]:
    """Return the report as JSON: that of a backtest, with the copies and the noise floor of agreement."""
    report = backtest_report(counts.pairs, spec)
    report["jobs"].pop("unknown")  # only a backtest has labelled jobs
    compared, agreed = counts.noise_compared, counts.noise_agreed
    report["agreement"]["noise"] = {
        "compared": compared,
        "agreed": agreed,
        "share": agreed / compared if compared else None,
    }
    return {"copies": {"made": copies.made, **copies._asdict()}, **report, "too_long_s": counts.too_long_s}


def shadow_sentence(report: dict[str, Any], batch_s: float) -> str:
    """Return the result for people."""
    copies, jobs = report["copies"], report["jobs"]
    if not copies["made"]:
        return "No job was copied yet."
    dropped = sum(copies[name] for name in ("old", "unwanted", "lost"))
    words = (
        f"Of {copies['made']:,} copies {jobs['ran']:,} were run by both versions, {dropped:,} were dropped"
    )
    parts = [f"{words} and {copies['open']:,} wait."]
    if report["too_long_s"] is not None:
        parts.append(
            f"One copy takes about {report['too_long_s']:.3g} s, more than `batch_s` ({batch_s:g} s) allows:"
            " raise it in the rule, or no copy runs."
        )
    if jobs["ran"]:
        parts.append(_compared(report))
    return " ".join([*parts, *(report["labels"] or {}).get("exchanged", [])])


def _compared(report: dict[str, Any]) -> str:
    failures, agreement = report["failures"], report["agreement"]
    words = (
        f"The shadow alone failed {failures['candidate_alone']:,}, the stable version alone"
        f" {failures['stable_alone']:,}"
    )
    if agreement["compared"]:
        words += f"; {agreement['agreed']:,} of {agreement['compared']:,} outputs agree"
    if agreement["noise"]["share"] is not None:
        words += f", of the stable version with itself {100 * agreement['noise']['share']:.1f} %"
    return f"{words}."
