"""What copies have shown: counts of two workers add up to those of one, and the report has no payload."""

from __future__ import annotations

from uuid import UUID

import pytest

from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.shadow.shadow_counts import ShadowCounts
from jobs.core.shadow.shadow_report import CopyCounts, shadow_report, shadow_sentence
from jobs.core.trials.backtest_counts import Comparison
from jobs.core.trials.outcome_pairs import OutcomePair
from jobs.core.trials.trial_specs import BacktestSpec, JobFilter
from models_registry.core.agreement.option import Agreement

SPEC = BacktestSpec(JobFilter(), 0, Agreement(by="label", at="/digit"))
FAILED = Failure(FailureKind.INTERNAL, "ValueError", "it quotes the input")


def digit(number: int) -> Success:
    return Success(b'{"digit": %d}' % number)


def pairs(count: int) -> list[OutcomePair]:
    return [OutcomePair(UUID(int=at), _ours(at), digit(at % 10)) for at in range(count)]


def _ours(at: int) -> Outcome:
    if at % 7 == 0:
        return FAILED
    return digit({3: 8, 8: 3}.get(at % 10, at % 10))


def counted(seen: list[OutcomePair]) -> ShadowCounts:
    counts = ShadowCounts(noise_compared=len(seen), noise_agreed=len(seen) - 1)
    for pair in seen:
        counts.pairs.add(pair, Comparison(SPEC))
    counts.pairs.times.add(4, 0.2, 0.1)
    return counts


def test_counts_of_two_parts_add_up_to_those_of_the_whole() -> None:
    seen = pairs(200)
    whole = counted(seen)
    parts = counted(seen[:60]).plus(counted(seen[60:]))
    assert parts.pairs.times.by_size == {"4": [(0.2, 0.1)] * 2}
    parts.pairs.times = whole.pairs.times
    assert parts.noise_agreed == whole.noise_agreed - 1
    parts.noise_agreed = whole.noise_agreed
    assert parts == whole
    assert ShadowCounts.of(parts.document) == whole


def test_what_is_added_stays_as_it_was() -> None:
    first, more = counted(pairs(20)), counted(pairs(30))
    before = first.document
    first.plus(more)
    assert first.document == before


def test_the_report_names_exchanged_labels_and_holds_no_payload() -> None:
    report = shadow_report(counted(pairs(200)), CopyCounts(3, 210, 5, 0, 1), SPEC)
    words = shadow_sentence(report, 0.05)
    assert report["copies"] == {"made": 219, "open": 3, "run": 210, "old": 5, "unwanted": 0, "lost": 1}
    assert words.startswith("Of 219 copies 200 were run by both versions, 6 were dropped and 3 wait.")
    assert "The labels 3 and 8 are exchanged" in words
    assert "quotes" not in str(report)
    assert len(report["differences"]) == 20


@pytest.mark.parametrize(
    ("copies", "too_long_s", "words"),
    [
        (CopyCounts(0, 0, 0, 0, 0), None, "No job was copied yet."),
        (CopyCounts(2, 1, 0, 0, 0), 0.2, "One copy takes about 0.2 s, more than `batch_s` (0.05 s) allows"),
    ],
)
def test_the_sentence_says_what_keeps_copies_from_running(
    copies: CopyCounts, too_long_s: float | None, words: str
) -> None:
    report = shadow_report(ShadowCounts(too_long_s=too_long_s), copies, by_equality())
    assert words in shadow_sentence(report, 0.05)


def by_equality() -> BacktestSpec:
    return BacktestSpec(JobFilter(), 0, Agreement())
