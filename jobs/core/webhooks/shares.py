"""How many webhooks are on their way at once, and to whom: a silent receiver delays no other. Pure.

A receiver is a host, as one client names it: what a client does to a host changes nothing for others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

Key = TypeVar("Key")
LEAST_WAIT_S, MOST_WAIT_S = 1.0, 600.0
_USUAL_S = 1.0  # of an attempt at a receiver that nothing is known of
_NEWEST = 0.3  # the weight of the last attempt in the mean


class Receiver(NamedTuple):
    """A client and the host that its webhook goes to."""

    client: int
    host: str


@dataclass(frozen=True, slots=True)
class ShareLimits:
    """How many attempts may be under way: of all, of one client, to one receiver; and their bytes."""

    attempts: int = 512
    client: int = 64
    receiver: int = 8
    size: int = 64 * 2**20


@dataclass(slots=True)
class _Pace:
    """How long attempts at a receiver take, and when the next one is due that found no room."""

    mean_s: float = _USUAL_S
    next_at: float = 0.0


class WebhookShares:
    """Counts the attempts under way; an attempt without room gets a time for its next try.

    These times are as far apart as its receiver is slow, so that ten thousand webhooks ask about once each.
    """

    def __init__(self, limits: ShareLimits | None = None) -> None:
        self._limits = limits or ShareLimits()
        self._by_receiver, self._by_client = Counter[Receiver](), Counter[int]()
        self._paces: dict[Receiver, _Pace] = {}
        self._size = 0

    def enter(self, receiver: Receiver, now: float) -> float:
        """Begin an attempt and return 0, or return the seconds after which it is to be tried again."""
        limits = self._limits
        own = (
            self._by_receiver[receiver] >= limits.receiver
            or self._by_client[receiver.client] >= limits.client
        )
        if not own and self._by_receiver.total() < limits.attempts and self._size < limits.size:
            self._by_receiver[receiver] += 1
            self._by_client[receiver.client] += 1
            return 0.0
        return self._wait_s(receiver, now)

    def add(self, size: int) -> None:
        """Count the `size` of an attempt's body, in bytes."""
        self._size += size

    def leave(self, receiver: Receiver, *, size: int, took_s: float) -> None:
        """End an attempt that took `took_s` and whose body had `size` bytes."""
        self._size -= size
        _decrease(self._by_receiver, receiver)
        _decrease(self._by_client, receiver.client)
        if (pace := self._paces.get(receiver)) is not None:
            pace.mean_s += _NEWEST * (took_s - pace.mean_s)

    def _wait_s(self, receiver: Receiver, now: float) -> float:
        self._forget(now)
        pace = self._paces.setdefault(receiver, _Pace())
        pace.next_at = max(pace.next_at, now + LEAST_WAIT_S) + pace.mean_s / self._limits.receiver
        if pace.next_at > now + MOST_WAIT_S:  # from here on they come together, to be spread again
            pace.next_at = now + LEAST_WAIT_S
            return MOST_WAIT_S
        return pace.next_at - now

    def _forget(self, now: float) -> None:
        gone = [to for to, pace in self._paces.items() if pace.next_at < now and to not in self._by_receiver]
        for receiver in gone:
            del self._paces[receiver]


def _decrease(counter: Counter[Key], key: Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
