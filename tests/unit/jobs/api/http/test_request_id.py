import pytest

from jobs.api.http.request_id import MOST_CHARS, request_id


@pytest.mark.parametrize("given", ["a", "7f3c-1:2/x_y.z+=@", "Root=1-67891233-abcdef012345678912345678"])
def test_a_client_s_id_comes_back_unchanged(given: str) -> None:
    assert request_id(given) == given


@pytest.mark.parametrize(("given", "kept"), [("a\r\nb", "ab"), ("a b\0c\x1b[31m", "abc31m"), ("é1", "1")])
def test_what_could_be_misread_is_left_out(given: str, kept: str) -> None:
    assert request_id(given) == kept


def test_its_length_is_bounded() -> None:
    assert request_id("x" * 9_000) == "x" * MOST_CHARS


@pytest.mark.parametrize("given", ["", "\r\n", "é"])
def test_without_one_each_call_gets_another(given: str) -> None:
    assert len({request_id(given) for _ in range(3)}) == 3
