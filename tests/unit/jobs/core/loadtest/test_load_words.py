"""The small languages of the options, and one sentence for what is none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.core.loadtest.load_words import (
    LoadGoal,
    LoadWordError,
    MixPart,
    parse_duration,
    parse_goals,
    parse_mix,
    parse_mode,
    parse_rate,
)


def test_each_word_has_its_value() -> None:
    assert [parse_duration(text) for text in ("30", "200ms", "1.5s", "5m", "1h")] == [
        30,
        0.2,
        1.5,
        300,
        3_600,
    ]
    for goal in (LoadGoal(99.99999, 10_800.0), LoadGoal(95.0, 0.0940777), LoadGoal(50.0, 0.0013)):
        (again,) = parse_goals(str(goal))
        assert again.percentile == goal.percentile
        assert again.limit_s == pytest.approx(goal.limit_s)
    assert parse_goals("p95=200ms,p99.9=1s") == [LoadGoal(95.0, 0.2), LoadGoal(99.9, 1.0)]
    assert parse_mix("minilm=3,minilm/9=0.5,echo@next") == [
        MixPart("minilm", None, 3.0),
        MixPart("minilm", 9, 0.5),
        MixPart("echo@next", None, 1.0),
    ]
    assert (parse_mode("single"), parse_mode("bulk:50"), parse_rate("2.5")) == (0, 50, 2.5)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_rate, text) for text in ("0", "-1", "nan", "inf", "fast", "")),
        *((parse_duration, text) for text in ("0s", "-1s", "soon", "nan", "")),
        *((parse_goals, text) for text in ("p95=fast", "p101=1s", "p101", "p0=1s", "95=1s", "p95=0ms", "")),
        *(
            (parse_mix, text)
            for text in ("", "echo=0", "echo=-1", "echo=nan", "echo/10=1", "echo/x", "echo,")
        ),
        *((parse_mode, text) for text in ("bulk", "bulk:0", "bulk:10001", "bulk:x", "both")),
    ],
)
def test_other_words_are_refused_with_what_to_write_instead(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(LoadWordError) as refusal:
        parse(text)
    assert str(refusal.value).count("\n") == 0
