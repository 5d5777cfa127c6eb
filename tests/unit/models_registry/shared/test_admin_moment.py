from datetime import UTC, datetime, timedelta, timezone

import pytest

from models_registry.shared.admin_moment import age, moment


def test_a_time_is_in_utc_to_the_millisecond_for_people_and_machines() -> None:
    here = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 11, 29, 1, 2, 3, 45_678, tzinfo=UTC).astimezone(here)
    assert moment(at) == '<time datetime="2026-11-29T01:02:03.045Z">2026-11-29 01:02:03.045 UTC</time>'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s ago"),
        (0.4, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (2 * 3_600 - 1, "119 min ago"),
        (47 * 3_600, "47 h ago"),
        (48 * 3_600, "2 d ago"),
        (-300, "in 5 min"),
    ],
)
def test_an_age_has_the_largest_unit_of_which_there_are_two(seconds: float, text: str) -> None:
    assert age(seconds) == text
