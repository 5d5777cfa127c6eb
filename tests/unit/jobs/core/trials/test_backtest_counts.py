"""What a backtest counts and keeps: scores, codes and labels, no outputs."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from jobs.core.failures import Failure, FailureKind, Known, Outcome, Success
from jobs.core.trials.backtest_counts import MOST_SHOWN, BacktestCounts, Comparison
from jobs.core.trials.backtest_report import backtest_report, backtest_sentence
from jobs.core.trials.outcome_pairs import OutcomePair, code_of
from jobs.core.trials.trial_specs import BacktestSpec, JobFilter, document_of, spec_of
from models_registry.core.agreement.option import Agreement

BROKEN = Failure(FailureKind.INTERNAL, "ValueError", "the input was 4711", known=Known("ValueError"))


def answer(value: Any) -> Success:
    return Success(json.dumps(value).encode())


def pair(candidate: Outcome, stable: Outcome | None, at: int = 0) -> OutcomePair:
    return OutcomePair(UUID(int=at), candidate, stable)


def test_a_backtest_keeps_the_largest_differences_and_no_outputs() -> None:
    spec = BacktestSpec(JobFilter(), 100, Agreement(by="numbers", at="/x", atol=1.0, rtol=0.0))
    counts = BacktestCounts()
    for at in range(30):
        counts.add(
            pair(answer({"x": at, "secret": "hush"}), answer({"x": 0, "secret": "hush"}), at),
            Comparison(spec),
        )
    counts.add(pair(answer({"x": "text"}), answer({"x": 0}), 99), Comparison(spec))
    again = BacktestCounts.of(json.loads(json.dumps(counts.document)))
    assert again == counts
    assert [difference.job.int for difference in counts.differences][:3] == [99, 29, 28]
    assert len(counts.differences) == MOST_SHOWN
    report = backtest_report(again, spec)
    assert report["agreement"]["agreed"] == 2
    assert "hush" not in json.dumps([counts.document, report])
    assert spec_of(BacktestSpec, json.loads(json.dumps(document_of(spec)))) == spec


def test_a_failure_shows_its_code_and_never_its_words() -> None:
    spec = BacktestSpec(JobFilter(), 100, Agreement())
    counts = BacktestCounts()
    counts.add(pair(BROKEN, answer(1)), Comparison(spec))
    report = backtest_report(counts, spec)
    assert report["failures"]["candidate"] == {"internal: ValueError": 1}
    assert "4711" not in json.dumps(report)
    assert "failed 1" in backtest_sentence(report)
    made_of_data = Failure(FailureKind.INTERNAL, "Ann_Smith", "", known=Known("Exception"))
    assert code_of(made_of_data, guarded=True) == "internal: Exception"


def test_labels_of_a_guarded_version_are_hidden_while_they_are_counted() -> None:
    spec = BacktestSpec(JobFilter(), 100, Agreement(by="label", at="/sick"), guarded=True)
    counts, tokens = BacktestCounts(), {"measles": "t1", "mumps": "t2"}
    for ours, theirs in (("measles", "mumps"), ("mumps", "measles")):
        counts.add(
            pair(answer({"sick": ours}), answer({"sick": theirs})), Comparison(spec, None, tokens.__getitem__)
        )
    report = backtest_report(counts, spec)
    assert "measles" not in json.dumps([counts.document, report])
    assert report["labels"]["between"]["labels"] == ["label 1", "label 2"]
    assert report["labels"]["exchanged"]
