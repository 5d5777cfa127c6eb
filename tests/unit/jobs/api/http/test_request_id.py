import string

import pytest

from jobs.api.http.request_id import MOST_CHARS, request_id


@pytest.mark.parametrize(
    "given", ["a", "7f3c-1:2/x_y.z+=@", '"<b>&;\\', "x" * MOST_CHARS, "Root=1-67891233-abcdef"]
)
def test_a_client_s_id_comes_back_unchanged(given: str) -> None:
    assert request_id(given) == given


@pytest.mark.parametrize(
    "given", ["", "a\r\nb", "a b", "a\n", "b\0c\x1b[31m", "é1", "\x7f", "x" * (MOST_CHARS + 1)]
)
def test_one_that_a_log_could_misread_is_replaced_by_a_new_one(given: str) -> None:
    made = {request_id(given) for _ in range(3)}
    assert len(made) == 3
    assert all(len(one) == 32 and set(one) <= set(string.hexdigits) for one in made)
