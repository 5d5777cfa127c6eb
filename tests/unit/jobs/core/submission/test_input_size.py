import json

import msgspec
import pytest

from jobs.core.errors import InputTooLargeError
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.input_size import (
    check_decoded,
    check_resolved,
    decoded_bytes,
    memory_bytes,
    resolved_bytes,
)

MB = 1_000_000
PICTURE = StoredPayload("a", 2 * MB, "a", "image/png")
TEXT = StoredPayload("b", 2 * MB, "b", "text/plain; charset=utf-8")
VALUES = StoredPayload("c", 2 * MB, "c")


def test_a_file_counts_as_often_as_the_input_refers_to_it_and_as_it_will_stand_there() -> None:
    assert resolved_bytes(21_000, [TEXT] * 400) == 21_000 + 800 * MB
    assert resolved_bytes(0, [PICTURE]) == 2_666_668
    assert resolved_bytes(0, [StoredPayload("d", size, "d", "image/png") for size in (0, 1, 2, 3, 4)]) == 20
    assert memory_bytes(b"1", [VALUES, TEXT]) == 1 + 10 * MB


def test_an_input_over_the_limit_is_refused_with_both_numbers() -> None:
    check_resolved(150, 150)
    with pytest.raises(InputTooLargeError, match=r"has 151 bytes, .* at most 150"):
        check_resolved(151, 150)


def sizeof(value: object) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value.__sizeof__() + sum(map(sizeof, parts))


@pytest.mark.parametrize(
    "value", [[[]] * 2_000, [{}] * 2_000, [0] * 2_000, [1.5] * 2_000, [{"a": 1}] * 2_000, "x" * 9_000]
)
def test_the_memory_of_a_decoded_text_is_about_what_is_estimated(value: object) -> None:
    body = json.dumps(value, separators=(",", ":")).encode()
    real = sizeof(msgspec.json.decode(body))
    assert real * 0.7 < decoded_bytes(body) < real * 5


def test_a_small_json_file_that_is_huge_once_it_is_decoded_is_not_decoded() -> None:
    dense = b"[" + b"[]," * 10_000 + b"[]]"
    check_decoded(dense, len(dense) * 5)
    with pytest.raises(InputTooLargeError, match="too many values"):
        check_decoded(dense, len(dense))
    check_decoded(b'["' + b"x" * 30_000 + b'"]', 30_000)
