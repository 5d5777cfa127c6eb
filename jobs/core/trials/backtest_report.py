"""The report of a backtest, and its result in a sentence: ids, counts and scores, no payload. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from jobs.core.trials.backtest_counts import BacktestCounts
from jobs.core.trials.label_counts import LabelCounts, numbered
from jobs.core.trials.trial_specs import BacktestSpec


def backtest_report(counts: BacktestCounts, spec: BacktestSpec) -> dict[str, Any]:
    """Return the report as JSON."""
    shown = _unlabelled(counts) if spec.guarded else counts
    return {
        "jobs": {"ran": counts.ran, **msgspec.to_builtins(counts.skipped)},
        "failures": {
            "candidate": counts.candidate_failed,
            "stable": counts.stable_failed,
            "candidate_alone": counts.candidate_alone_failed,
            "stable_alone": counts.stable_alone_failed,
        },
        "agreement": {
            "by": spec.agreement.by,
            "at": spec.agreement.at,
            "compared": counts.compared,
            "agreed": counts.agreed,
            "share": counts.agreed / counts.compared if counts.compared else None,
        },
        "service_times": counts.times.rows(),
        "labels": _labels(shown) if spec.agreement.by == "label" else None,
        "differences": [
            {"job": str(difference.job), "distance": difference.distance} for difference in counts.differences
        ],
    }


def backtest_sentence(report: dict[str, Any]) -> str:
    """Return the result for people."""
    jobs, failures, agreement = report["jobs"], report["failures"], report["agreement"]
    parts = [
        f"{jobs['ran']:,} jobs were run, of which the version failed {sum(failures['candidate'].values()):,}"
    ]
    if agreement["compared"]:
        theirs = sum(failures["stable"].values())
        parts.append(
            f"the other one {theirs:,}; {agreement['agreed']:,} of {agreement['compared']:,} outputs agree"
        )
    exchanged = (report["labels"] or {}).get("exchanged", [])
    return " ".join([", ".join(parts) + ".", *exchanged])


def _unlabelled(counts: BacktestCounts) -> BacktestCounts:
    """Return the counts with numbers for labels, which are parts of confidential outputs."""
    matrices = counts.between, counts.candidate_labels, counts.stable_labels
    names = numbered(sorted({label for matrix in matrices for label in matrix.labels}))
    between, ours, theirs = (matrix.named(names) for matrix in matrices)
    return msgspec.structs.replace(counts, between=between, candidate_labels=ours, stable_labels=theirs)


def _labels(counts: BacktestCounts) -> dict[str, Any]:
    """Return the matrices that hold anything, and what the best of them says of exchanged labels."""
    against = counts.candidate_labels if counts.candidate_labels.total else counts.between
    return {
        "exchanged": [str(exchanged) for exchanged in against.exchanged()],
        "between": _matrix(counts.between),
        "candidate": _matrix(counts.candidate_labels),
        "stable": _matrix(counts.stable_labels),
    }


def _matrix(counts: LabelCounts) -> dict[str, Any] | None:
    if not counts.total:
        return None
    return {**counts.document(), "accuracy": counts.equal / counts.total, "total": counts.total}
