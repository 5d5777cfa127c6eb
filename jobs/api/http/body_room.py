"""The bodies that are still arriving at a process: bounded in number and bytes, and shared out fairly.

Nobody waits for room. A body that takes its time gives up its place to a new one of the same sender, or, if
the process is full, of any: so slow senders only drive out each other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from jobs.core.errors import SlowBodyError, TooManyCallsError, UnavailableError

PATIENT_S = 1.0  # no body is given up sooner
# Nor a brief one: in a burst it may have arrived, and this process had no time yet to read it.
PATIENT_WITH_BRIEF_S = 10.0
PATIENT_FOR_ROOM_S, LOOK_FOR_ROOM_S = 10.0, 0.05


@dataclass(frozen=True, slots=True)
class Share:
    """A sender's name, and the part of the room that its bodies may take."""

    sender: str
    part: float


Shares = tuple[Share, ...]


@dataclass(eq=False, slots=True)
class Visit:
    """One body in the room; `reserved` are the bytes that its sender announced, `held` those that came."""

    shares: Shares
    reserved: int
    is_brief: bool
    began: float
    held: int = 0
    is_arriving: bool = True
    is_given_up: bool = False
    timer: asyncio.Timeout | None = None

    @property
    def may_be_given_up(self) -> bool:
        """Return whether it has had time enough to arrive."""
        return monotonic() - self.began >= (PATIENT_WITH_BRIEF_S if self.is_brief else PATIENT_S)

    def give_up(self) -> None:
        """End the wait for more of this body."""
        self.is_given_up = True
        if self.timer is not None:
            self.timer.reschedule(asyncio.get_running_loop().time())

    def check(self) -> None:
        """Raise SlowBodyError if the body was given up."""
        if self.is_given_up:
            raise SlowBodyError("The body came slowly, and others needed its place.")


@dataclass(slots=True)
class _Sender:
    arriving: dict[Visit, None] = field(default_factory=dict)  # the oldest first
    reserved: int = 0
    visits: int = 0


class BodyRoom:
    """Room for `most` arriving bodies and `most_bytes` of bodies whose calls are not answered yet."""

    def __init__(self, *, most: int, most_bytes: int) -> None:
        """Begin empty."""
        self._most, self._most_bytes = most, most_bytes
        self._arriving, self._held = 0, 0
        self._senders: dict[str, _Sender] = {}

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is held for anyone."""
        return not self._senders and not self._arriving and not self._held

    def enter(self, shares: Shares, announced: int, *, brief: bool = False) -> Visit:
        """Let a body in; TooManyCallsError where a share is full, UnavailableError where the room is.

        A `brief` one, of few announced bytes, is not refused because others of a burst came a moment before.
        """
        for share in shares:
            self._check(share, announced, brief=brief)
        if self._arriving >= self._most:
            fullest = max(self._senders.values(), key=lambda sender: len(sender.arriving))
            if not _free_a_place(fullest) and not brief:
                raise UnavailableError("Too many bodies arrive at once: send the call again.")
        visit = Visit(shares, announced, brief, monotonic())
        self._arriving += 1
        for share in shares:
            sender = self._senders.setdefault(share.sender, _Sender())
            sender.arriving[visit] = None
            sender.reserved += announced
            sender.visits += 1
        return visit

    def grow(self, visit: Visit, size: int) -> None:
        """Count `size` more bytes of a body; the errors of `enter`."""
        visit.held += size
        self._held += size
        if self._held > self._most_bytes:
            raise UnavailableError("There is no room for this body now: send the call again.")
        more = visit.held - visit.reserved
        if more > 0:
            self._reserve(visit, more)
            for share in visit.shares:
                sender = self._senders[share.sender]
                if sender.visits > 1 and sender.reserved > self._most_bytes * share.part:
                    raise TooManyCallsError(_FULL)

    def shrink(self, visit: Visit, size: int) -> None:
        """Count `size` bytes of a body no more, while the others stay."""
        visit.held -= size
        self._held -= size
        self._reserve(visit, min(visit.held - visit.reserved, 0))

    def arrived(self, visit: Visit) -> None:
        """Note that the body is complete: its bytes stay until `leave`."""
        if not visit.is_arriving:
            return
        visit.is_arriving = False
        self._arriving -= 1
        for share in visit.shares:
            del self._senders[share.sender].arriving[visit]

    def leave(self, visit: Visit) -> None:
        """Let a body out, complete or not."""
        self.arrived(visit)
        self._held -= visit.held
        for share in visit.shares:
            sender = self._senders[share.sender]
            sender.reserved -= visit.reserved
            sender.visits -= 1
            if not sender.visits:
                del self._senders[share.sender]

    def _check(self, share: Share, announced: int, *, brief: bool) -> None:
        sender = self._senders.get(share.sender)
        if sender is None:
            return  # one body always fits: the call's own limit is enough
        is_full = len(sender.arriving) >= max(self._most * share.part, 1)
        if is_full and not _free_a_place(sender) and not brief:
            raise TooManyCallsError(_FULL)
        if sender.reserved + announced > self._most_bytes * share.part:
            raise TooManyCallsError(_FULL)

    def _reserve(self, visit: Visit, more: int) -> None:
        visit.reserved += more
        for share in visit.shares:
            self._senders[share.sender].reserved += more


class HeldBytes:
    """The bytes that a stream holds; it waits for room, and while it holds none it is no visit."""

    def __init__(self, room: BodyRoom, shares: Shares) -> None:
        """Begin without any."""
        self._room, self._shares = room, shares
        self._visit: Visit | None = None

    async def take(self, size: int) -> None:
        """Count `size` more bytes, once there is room; the errors of the room where that takes too long."""
        give_up_at = monotonic() + PATIENT_FOR_ROOM_S
        while True:
            try:
                return self._grow(size)
            except (TooManyCallsError, UnavailableError):
                if monotonic() > give_up_at:
                    raise
            await asyncio.sleep(LOOK_FOR_ROOM_S)

    def free(self, size: int) -> None:
        """Count `size` bytes no more."""
        if self._visit is not None:
            self._room.shrink(self._visit, size)
            if not self._visit.held:
                self.free_all()

    def free_all(self) -> None:
        """Hold nothing any more."""
        if self._visit is not None:
            self._room.leave(self._visit)
            self._visit = None

    def _grow(self, size: int) -> None:
        if self._visit is None:
            self._visit = self._room.enter(self._shares, 0, brief=True)
            self._room.arrived(self._visit)  # it is no slow body that could give up its place
        try:
            self._room.grow(self._visit, size)
        except (TooManyCallsError, UnavailableError):
            self.free(size)
            raise


_FULL = "You send too many bodies at once: send the call again when others are answered."


def _free_a_place(sender: _Sender) -> bool:
    """Give up the sender's oldest body, if it is old enough, and return whether there was one."""
    oldest = next((visit for visit in sender.arriving if not visit.is_given_up), None)
    if oldest is None or not oldest.may_be_given_up:
        return False
    oldest.give_up()
    return True
