"""The events that a client gets: only those that it lacks, in the format of server-sent events."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest

from jobs.api.streaming.follow import Stream
from jobs.api.streaming.sse import events, knows_all, preamble
from jobs.api.streaming.waiters import Waiter, Waiters
from jobs.core.event_id import EventId
from jobs.services.reads.snapshot import JobSnapshot

ID = UUID(int=1)


def standing(text: str, fraction: float | None = None, view: dict[str, object] | None = None) -> JobSnapshot:
    mark = EventId.parse(text)
    assert mark is not None
    return JobSnapshot(ID, mark, 1, fraction, "half way", view)


RUNNING = standing("3.0.running")
HALF = standing("3.5.running", 0.5)
ENDED = standing("3.0.succeeded", view={"id": ID, "output": msgspec.Raw(b'{"a":\n1,\r\n"b":"\xc2\x85"}')})


def ids(last_id: str, now: JobSnapshot) -> list[str]:
    sent = events(EventId.parse(last_id), now)
    return [event.split(b"\n")[0].decode().removeprefix("id: ") for event in sent]


@pytest.mark.parametrize(
    ("last_id", "now", "sent"),
    [
        ("", RUNNING, ["3.0.running"]),
        ("", HALF, ["3.0.running", "3.5.running"]),
        ("3.0.running", HALF, ["3.5.running"]),
        ("3.4.running", HALF, ["3.5.running"]),
        ("3.5.running", HALF, []),
        ("2.9.running", HALF, ["3.0.running", "3.5.running"]),
        ("3.5.running", RUNNING, []),
        ("3.5.running", ENDED, ["3.0.succeeded"]),
        ("3.0.succeeded", ENDED, []),
        ("4.0.queued", ENDED, ["3.0.succeeded"]),
        ("3.0.waiting", RUNNING, ["3.0.running"]),
    ],
)
def test_only_events_that_a_client_lacks_are_sent(last_id: str, now: JobSnapshot, sent: list[str]) -> None:
    assert ids(last_id, now) == sent


def test_a_stored_document_of_many_lines_is_sent_on_one() -> None:
    (event,) = events(None, ENDED)
    lines = event.decode().split("\n")
    assert lines[1:2] + lines[3:] == ["event: end", "", ""]
    assert msgspec.json.decode(lines[2].removeprefix("data: "))["output"] == {"a": 1, "b": "\x85"}
    assert "\r" not in event.decode()


def test_a_client_that_had_the_end_needs_no_stream() -> None:
    assert knows_all(ENDED.event_id, ENDED)
    assert not knows_all(HALF.event_id, ENDED)
    assert not knows_all(HALF.event_id, HALF)


def test_a_stream_begins_with_its_retry_time() -> None:
    assert preamble().startswith(b"retry: ")
    assert preamble().endswith(b"\n\n")


def test_a_waiter_keeps_the_newest_snapshot_in_any_order_of_reads() -> None:
    inbox = Waiter(follow=True)
    for snapshot in (HALF, RUNNING, standing("2.0.queued")):
        inbox.put(snapshot)
    assert inbox.newest is HALF
    inbox.put(ENDED)
    assert inbox.newest is ENDED


def test_an_end_goes_to_all_waiters_and_a_change_to_followers_only() -> None:
    waiters = Waiters()
    waiting, following = waiters.add(ID, Waiter()), waiters.add(ID, Waiter(follow=True))
    waiters.deliver(HALF)
    assert (waiting.newest, following.newest) == (None, HALF)
    waiters.deliver(standing("3.0.succeeded"))  # without the job itself it is no end yet
    assert following.newest is HALF
    waiters.deliver(ENDED)
    assert waiting.newest is following.newest is ENDED
    for inbox in (waiting, following):
        waiters.remove(ID, inbox)
    assert not waiters


@pytest.mark.parametrize(
    ("last_id", "sent"),
    [("3.5.running", ["3.6.running"]), ("3.4.running", ["3.5.running", "3.6.running"])],
)
def test_a_first_read_without_progress_sends_no_older_event(last_id: str, sent: list[str]) -> None:
    pieces = list[bytes]()
    stand_in: Any = Pieces(pieces)
    stream = Stream(stand_in, stand_in, stand_in, EventId.parse(last_id), stand_in)
    for now in (RUNNING, HALF, standing("3.6.running", 0.6)):
        assert not asyncio.run(stream.send(now))
    assert [piece.split(b"\n")[0].decode().removeprefix("id: ") for piece in pieces] == sent


class Pieces:
    """A call that keeps the pieces that it should send."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    async def piece(self, body: bytes) -> None:
        self.pieces.append(body)
