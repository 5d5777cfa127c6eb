"""A caller's `traceparent` is read as W3C has it, and anything else is as none."""

from __future__ import annotations

import pytest

from jobs.core.trace_chars import MOST_KEPT_CHARS
from jobs.tracing.trace_context import TraceContext, context_of, kept_context, trace_id_of

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


STATE = "vendor=a1:b2,other@tenant=x y"


def test_a_caller_s_state_is_kept_and_sent_on() -> None:
    context = context_of(GOOD, " vendor=a1:b2 ,, other@tenant=x y,")
    assert context is not None
    assert context.headers == {"traceparent": GOOD, "tracestate": STATE}
    assert kept_context(context.kept) == context
    assert trace_id_of(context.kept) == TRACE
    assert len(context.kept) <= MOST_KEPT_CHARS


@pytest.mark.parametrize(
    "state",
    [None, "", "novalue", "=x", "KEY=x", "a=b;c\n", "a=\u00e9", "a=" + "x" * 511, "a=b=c", "a=x," * 33],
)
def test_a_state_that_is_malformed_or_too_long_is_left_out_and_its_place_stays(state: str | None) -> None:
    context = context_of(GOOD, state)
    assert context is not None
    assert context.headers == {"traceparent": GOOD}
    assert context.kept == GOOD


def test_the_longest_state_has_room() -> None:
    context = context_of(GOOD, "a=" + "x" * 510)
    assert context is not None
    assert len(context.kept) == MOST_KEPT_CHARS
