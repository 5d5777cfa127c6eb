"""Refused calls, added up by address and minute, so that no attacker can fill the audit. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

WRITTEN_EVERY_S = 60.0
MOST_ADDRESSES = 1_000  # those beyond share one count, so that memory and audit are bounded


class RefusalReason(StrEnum):
    """Why a call was refused before anybody was known to send it."""

    TOKEN = "token"  # noqa: S105  # a reason
    LOCKED_OUT = "locked_out"
    TOO_MANY_LOGINS = "too_many_logins"


@dataclass(frozen=True, slots=True)
class RefusedCalls:
    """The refused calls of an address; None: of the addresses beyond the bound, or of an unknown one."""

    address: str | None
    reason: RefusalReason
    count: int


@dataclass(slots=True)
class _Tally:
    count: int = 0
    next_s: float = 0.0


class RefusalCounts:
    """Counts refusals. The first of an address is due at once, the next a minute after that."""

    def __init__(self) -> None:
        """Begin with none."""
        self._tallies: dict[tuple[str | None, RefusalReason], _Tally] = {}

    def add(self, address: str | None, reason: RefusalReason) -> None:
        """Count one refusal."""
        key = (address, reason)
        if key not in self._tallies and len(self._tallies) >= MOST_ADDRESSES:
            key = (None, reason)
        self._tallies.setdefault(key, _Tally()).count += 1

    def take(self, now: float, *, whole: bool = False) -> Iterator[RefusedCalls]:
        """Yield and forget the counts that are due at `now`; all of them where `whole`."""
        for (address, reason), tally in list(self._tallies.items()):
            if not whole and now < tally.next_s:
                continue
            if tally.count:
                yield RefusedCalls(address, reason, tally.count)
                tally.count, tally.next_s = 0, now + WRITTEN_EVERY_S
            else:
                del self._tallies[address, reason]
