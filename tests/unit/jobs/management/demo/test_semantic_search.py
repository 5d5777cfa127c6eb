"""Search ranks by the angle between vectors, not their length."""

import pytest

from jobs.management.demo.semantic_search import closest, cosine


def test_the_cosine_ignores_length_and_keeps_direction() -> None:
    assert cosine([1.0, 0.0], [5.0, 0.0]) == pytest.approx(1.0)
    assert cosine([1.0, 0.0], [0.0, 2.0]) == pytest.approx(0.0)
    assert cosine([1.0, 0.0], [-3.0, 0.0]) == pytest.approx(-1.0)


def test_the_closest_come_first_up_to_the_requested_number() -> None:
    corpus = {"away": [-1.0, 0.0], "same": [9.0, 0.1], "aslant": [1.0, 1.0]}
    assert [text for _, text in closest([1.0, 0.0], corpus, count=2)] == ["same", "aslant"]
