"""The moment of the form is in UTC, and one that UTC does not have is an error of the form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.admin.rollouts.rule_moment import MomentForm

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00", NOON),
        ("2026-01-31T14:00:00+02:00", NOON),
        ("0001-01-01T00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_moment_is_read_in_utc(text: str, moment: datetime | None) -> None:
    form = MomentForm({"at": text, "of": ""})
    assert form.moment == moment
    assert not form.errors


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-05:00"])
def test_a_moment_beyond_the_years_of_utc_is_an_error_of_the_form(text: str) -> None:
    form = MomentForm({"at": text, "of": ""})
    assert form.moment is None
    assert form.errors == {"at": ["A moment is in the years 1 to 9999 of UTC."]}
