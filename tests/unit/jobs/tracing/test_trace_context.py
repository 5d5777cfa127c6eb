"""A caller's `traceparent` is read as W3C has it, and anything else is as none."""

from __future__ import annotations

import pytest

from jobs.tracing.trace_context import TraceContext, context_of, trace_id_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_header_is_read_and_written_alike() -> None:
    context = context_of(GOOD)
    assert context == TraceContext(int(TRACE, 16), int(SPAN, 16))
    assert context is not None
    assert context.traceparent == GOOD
    assert trace_id_of(GOOD) == TRACE


def test_the_flag_counts_and_others_beside_it_do_not() -> None:
    flags = {flag: context_of(f"00-{TRACE}-{SPAN}-{flag}") for flag in ("00", "01", "02", "03")}
    assert [c.sampled for c in flags.values() if c] == [False, True, False, True]


def test_of_a_later_version_that_is_read_which_every_version_has() -> None:
    assert context_of(f"cc-{TRACE}-{SPAN}-01-what-comes") == context_of(GOOD)


@pytest.mark.parametrize(
    "header",
    [
        None, "", "rubbish", GOOD.upper(), f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01", f"{GOOD}-more", f"00-{TRACE}-{SPAN}", f"{GOOD},{GOOD}", "00-" + "é" * 50,
        GOOD * 1000,
    ],
)  # fmt: skip
def test_anything_else_is_as_none(header: str | None) -> None:
    assert context_of(header) is None
    assert trace_id_of(header) == ""
