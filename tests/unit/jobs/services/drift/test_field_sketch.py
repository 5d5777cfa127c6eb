"""A sketch is stored, merged and compared; what cannot be read is a ValueError."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from jobs.core.drift.field_names import LABEL, rounded
from jobs.services.drift.field_sketch import FieldSketch, own_distances

NUMBER = "input:/x"


def sketch(*values: float | str | None, field: str = NUMBER) -> FieldSketch:
    made = FieldSketch(field)
    for value in values:
        made.add(value)
    return made


def normal(number: int, shift: float = 0.0, seed: int = 1) -> FieldSketch:
    rng = random.Random(seed)
    return sketch(*(rng.gauss(shift, 1.0) for _ in range(number)))


def test_values_and_what_is_missing_are_counted() -> None:
    made = sketch(1.0, None, 2.0, "text")
    assert (made.n, made.missing) == (2, 2)
    labels = sketch("cat", None, 2.0, field=LABEL)
    assert (labels.n, labels.missing) == (1, 2)


def test_parts_that_are_stored_and_merged_are_like_the_whole() -> None:
    whole = FieldSketch(NUMBER)
    for seed in range(10):
        whole.merge(normal(1_000, seed=seed).body(), 3)
    assert (whole.n, whole.missing) == (10_000, 30)
    quantiles = whole.summary()["quantiles"]
    assert quantiles["0.5"] == pytest.approx(0.0, abs=0.06)
    assert quantiles["0.95"] == pytest.approx(1.645, abs=0.12)
    assert len(whole.body()) < 4_000


def test_a_stored_sketch_without_values_is_merged() -> None:
    empty = sketch(None)
    merged = FieldSketch(NUMBER)
    merged.merge(empty.body(), empty.missing)
    assert (merged.n, merged.missing, merged.summary()) == (0, 1, {"quantiles": {}})
    assert merged.compared_with(normal(100)) is None
    assert normal(100).compared_with(merged) is None


@pytest.mark.parametrize("body", [b"", b"x", b"\0" * 64, b"nonsense that is a bit longer"])
@pytest.mark.parametrize("field", [NUMBER, LABEL])
def test_what_is_no_sketch_is_a_value_error(field: str, body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever the library's words are
        FieldSketch(field).merge(body, 0)


def test_a_shift_of_one_deviation_is_seen_and_none_is_not() -> None:
    reference = normal(5_000)
    for shift, alarms in ((1.0, True), (0.0, False)):
        finding = normal(200, shift, seed=2).compared_with(reference)
        assert finding is not None
        assert finding.alarms is alarms


def test_discrete_values_that_stay_are_no_shift_and_others_are() -> None:
    reference = sketch(*[0.0] * 900, *[1.0] * 100)
    for values, alarms in (([0.0] * 270 + [1.0] * 30, False), ([1.0] * 300, True), ([5.0] * 300, True)):
        finding = sketch(*values).compared_with(reference)
        assert finding is not None
        assert finding.alarms is alarms


def drawn(part: str, number: int, seed: int) -> FieldSketch:
    """Return values that many jobs share, as they were (`was`) and as they become (`is`)."""
    rng = random.Random(seed)
    values: dict[str, Callable[[], float]] = {
        "mostly true": lambda: float(rng.random() < 0.95),
        "false": lambda: 0.0,
        "mostly sure": lambda: 1.0 if rng.random() < 0.95 else rounded(rng.uniform(0.9, 1.0)),
        "unsure": lambda: rounded(rng.uniform(0.3, 0.9)),
        "of unit norm": lambda: 1.0,
        "shorter": lambda: 0.3,
        "mostly one": lambda: float(rng.random() < 0.8),
        "half": lambda: 0.5 * (rng.random() < 0.8),
    }
    return sketch(*(values[part]() for _ in range(number)))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("mostly true", "false"),
        ("mostly sure", "unsure"),
        ("of unit norm", "shorter"),
        ("mostly one", "half"),
    ],
)
@pytest.mark.parametrize("falls", [True, False])
def test_values_that_fall_below_one_that_many_jobs_share_are_seen_as_those_that_rise(
    was: str, becomes: str, *, falls: bool
) -> None:
    before, after = (was, becomes) if falls else (becomes, was)
    reference = drawn(before, 5_000, seed=1)
    finding = drawn(after, 1_000, seed=2).compared_with(reference)
    assert finding is not None
    assert finding.alarms
    assert finding.psi > 1.0


@pytest.mark.parametrize("part", ["mostly true", "mostly sure", "of unit norm", "mostly one", "half"])
@pytest.mark.parametrize("jobs", [30, 300, 1_000])
def test_values_that_many_jobs_share_and_that_stay_are_no_shift(part: str, jobs: int) -> None:
    reference = drawn(part, 5_000, seed=1)
    for seed in range(2, 40):
        finding = drawn(part, jobs, seed=seed).compared_with(reference)
        assert finding is not None
        assert not finding.alarms
        assert finding.distance <= finding.bound


def test_a_value_is_told_apart_from_what_is_just_below_only_where_many_jobs_share_it() -> None:
    assert len(normal(5_000).points()) == 9
    few = sketch(*[0.0] * 200, *(float(number) for number in range(1, 4_801)))
    assert len(few.points()) == 9
    below, zero, *others = sketch(*[0.0] * 600, *(float(number) for number in range(1, 4_401))).points()
    assert below < zero == 0.0
    assert len(others) == 8


def test_a_reference_knows_how_far_its_hours_are_from_it() -> None:
    low, high, few = normal(400, 0.0), normal(400, 1.0, seed=2), normal(20, 9.0)
    whole = FieldSketch(NUMBER)
    for part in (low, high, few):
        whole.merge(part.body(), 0)
    own_distances({NUMBER: whole}, [{NUMBER: low}, {NUMBER: high}, {NUMBER: few}, {}])
    assert 0.15 < whole.own_distance < 0.25
    finding = high.compared_with(whole)
    assert finding is not None
    assert finding.bound > finding.distance
