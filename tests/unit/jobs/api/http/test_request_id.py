import string

import pytest

from jobs.api.http.request_id import MOST_CHARS, request_id, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


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


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-more", TRACE),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        ("rubbish", None),
    ],
)
def test_a_trace_s_id_is_read_from_a_well_formed_header_alone(header: str, found: str | None) -> None:
    assert trace_id(header) == found
