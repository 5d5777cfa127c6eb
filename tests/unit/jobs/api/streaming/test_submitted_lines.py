"""Lines are the same however they are cut into pieces, and many empty ones hold no event loop."""

from __future__ import annotations

from time import thread_time

import pytest

from jobs.api.streaming.submitted_lines import Line, LineSplitter

MOST = 4
SENT = b"\n\r\nab\nabcd\n  \nabcde\nabcdefghijk\n\nc\r\nde"
LINES = ["ab", "abcd", None, None, "c\r", "de"]  # None: too long


def shown(lines: list[Line]) -> list[str | None]:
    return [line.decode() if isinstance(line, bytes) else None for line in lines]


@pytest.mark.parametrize("size", range(1, len(SENT) + 1))
def test_lines_do_not_depend_on_the_pieces(size: int) -> None:
    split = LineSplitter(MOST)
    lines = list[Line]()
    for start in range(0, len(SENT), size):
        lines += split.feed(SENT[start : start + size])
        assert split.held <= MOST
    assert split.is_within_a_line
    lines += split.last()
    assert shown(lines) == LINES
    assert not split.is_within_a_line


@pytest.mark.parametrize("line", [b"\n", b" \n", b"\r\n"])
def test_many_empty_lines_take_no_long_time(line: bytes) -> None:
    def took_s(piece: bytes) -> float:
        split, began = LineSplitter(1_000_000), thread_time()
        assert not list(split.feed(piece))
        return thread_time() - began

    assert min(map(took_s, [line * 65_536] * 5)) < 0.01
