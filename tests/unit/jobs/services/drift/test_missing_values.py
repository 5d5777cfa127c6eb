"""What is missing is added in a fixed order, in which rows are written by all processes."""

from __future__ import annotations

from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.missing_values import with_missing


def test_the_fields_that_miss_values_come_in_the_order_of_their_names() -> None:
    names = [f"input:/{letter}" for letter in "hbfdagce"]
    hour, reference = ({name: FieldSketch(name) for name in names} for _ in range(2))
    for name in names:
        hour[name].add(None)
        reference[name].add(1.0)
    compared = with_missing(hour, reference)
    added = [f"missing:{name}" for name in sorted(names)]
    assert [*compared.hour] == names + added
    assert [*compared.reference] == names + added
