"""A recording: in order from its start, and each line that is none is named."""

from __future__ import annotations

import pytest

from jobs.core.loadtest.replay_file import ReplayError, parse_replay


def test_recorded_jobs_come_in_order_from_the_start() -> None:
    lines = "arrival_s,priority,client,deadline_s\n101.5,9,2,5\n100,,,\n".splitlines()
    first, second = parse_replay(lines)
    assert (first.at_s, first.priority, first.client, first.deadline_in_s) == (0.0, 4, 0, None)
    assert (second.at_s, second.priority, second.client, second.deadline_in_s) == (1.5, 9, 2, 5.0)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "line 1"),
        ("at\n1\n", "line 1"),
        ("arrival_s\n", "line 1"),
        ("arrival_s\n1\nsoon\n", "line 3"),
        ("arrival_s\nnan\n", "line 2"),
        ("arrival_s,priority\n1,4\n2,12\n", "line 3"),
        ("arrival_s,deadline_s\n1,0\n", "line 2"),
        ("arrival_s,priority\n1,4\n2,4.5\n", "line 3"),
    ],
)
def test_a_broken_line_is_named(text: str, line: str) -> None:
    with pytest.raises(ReplayError, match=line):
        parse_replay(text.splitlines())
