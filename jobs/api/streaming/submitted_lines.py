"""The lines of a stream of submits: split as they arrive, gathered into groups, stored, and answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from django.conf import settings

from jobs.api.access_log import call_record
from jobs.api.auth import check_scope
from jobs.api.problems import problem, translate
from jobs.core.access.scopes import Scope
from jobs.core.errors import BodyTooLargeError, PlatformError
from jobs.core.submission.request import parse_item
from jobs.services.access.owner import Owner
from jobs.services.submission.submit import submit_jobs
from jobs.services.submission.submitted import Submitted

GROUP_LINES, GROUP_BYTES = 500, 1_048_576
Line = bytes | PlatformError


class LineSplitter:
    """Splits pieces into lines of at most `most` bytes; what a longer one has beyond these is dropped."""

    def __init__(self, most: int) -> None:
        """Begin with an empty line."""
        self._most = most
        self._start, self._drops = bytearray(), False

    @property
    def is_within_a_line(self) -> bool:
        """Return whether a line has begun and not ended."""
        return bool(self._start) or self._drops

    @property
    def held(self) -> int:
        """Return how many bytes of an unfinished line are kept."""
        return len(self._start)

    def feed(self, piece: bytes) -> Iterator[Line]:
        """Yield the lines that end in a piece, and an error for one that proves too long; no empty ones."""
        begun, *whole = piece.split(b"\n")
        yield from self._add(begun)
        if not whole:
            return
        yield from self.last()
        rest = whole.pop()
        yield from map(self._checked, filter(bytes.strip, whole))  # no step of ours for an empty line
        yield from self._add(rest)

    def last(self) -> Iterator[Line]:
        """End the line here, and yield it unless it is empty."""
        line, self._start, self._drops = bytes(self._start), bytearray(), False
        if line.strip():
            yield line

    def _add(self, part: bytes) -> Iterator[Line]:
        if self._drops:
            return
        self._start += part
        if len(self._start) > self._most:
            self._start, self._drops = bytearray(), True
            yield self._too_large

    def _checked(self, line: bytes) -> Line:
        return line if len(line) <= self._most else self._too_large

    @property
    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"the job is larger than {self._most} bytes")


class GatheredLines:
    """The lines that wait for the next group, while another is being stored; on one event loop."""

    def __init__(self) -> None:
        """Begin empty and open."""
        self._lines, self._size, self._is_closed = deque[Line](), 0, False
        self._changed = asyncio.Condition()

    async def add(self, lines: Sequence[Line]) -> None:
        """Add lines, and return once there is room for more."""
        async with self._changed:
            self._lines.extend(lines)
            self._size += sum(map(size_of, lines))
            self._changed.notify_all()
            await self._changed.wait_for(lambda: not self._is_full)

    async def take(self) -> list[Line]:
        """Return the lines of the next group, as soon as there are any; none after the last group."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._lines or self._is_closed)
            group = list(self._next_lines())
            self._changed.notify_all()
            return group

    async def close(self, *, drop: bool = False) -> None:
        """Note that no more lines come; `drop` those that no group has taken."""
        async with self._changed:
            self._is_closed = True
            if drop:
                self._lines.clear()
            self._changed.notify_all()

    @property
    def _is_full(self) -> bool:
        return len(self._lines) >= GROUP_LINES or self._size >= GROUP_BYTES

    def _next_lines(self) -> Iterator[Line]:
        lines = size = 0
        while self._lines and lines < GROUP_LINES and size < GROUP_BYTES:
            line = self._lines.popleft()
            lines, size = lines + 1, size + size_of(line)
            self._size -= size_of(line)
            yield line


def size_of(line: Line) -> int:
    """Return how many bytes a line holds."""
    return len(line) if isinstance(line, bytes) else 0


def store_lines(owner: Owner, lines: Sequence[Line], *, first: int, request_id: str = "") -> bytes:
    """Store one group, and return the lines that answer it; `first` is the place of its first line.

    Where the whole group cannot be stored, each line has that problem. ForbiddenError without the scope.
    """
    check_scope(owner, Scope.SUBMIT)
    most = settings.INFERENCE.max_body_bytes
    requests = [line if isinstance(line, PlatformError) else parse_item(line, most) for line in lines]
    try:
        outcomes = submit_jobs(owner=owner, requests=requests)
    except Exception as error:  # noqa: BLE001  # a problem for each line, whatever it is
        return refused(requests, translate(error, request_id), first=first)
    record, accepted = call_record(), sum(isinstance(outcome, Submitted) for outcome in outcomes)
    record.jobs = (record.jobs or 0) + accepted
    return b"".join(answer_line(item_view(first + place, outcome)) for place, outcome in enumerate(outcomes))


def refused(lines: Sequence[object], error: PlatformError, *, first: int) -> bytes:
    """Return the answer to a group that could not be stored: a line's own problem, or else `error`."""
    problems = [line if isinstance(line, PlatformError) else error for line in lines]
    return b"".join(answer_line(item_view(first + place, one)) for place, one in enumerate(problems))


def item_view(index: int, outcome: Submitted | PlatformError) -> dict[str, Any]:
    """Return the outcome of one of many jobs as clients see it."""
    if isinstance(outcome, PlatformError):
        return {"index": index, "problem": problem(outcome)}
    item = {"index": index, "id": outcome.id, "state": outcome.state}
    return item | ({"cached_from": outcome.cached_from} if outcome.cached_from else {})


def answer_line(view: dict[str, Any]) -> bytes:
    """Return one line of the answer."""
    return msgspec.json.encode(view) + b"\n"
