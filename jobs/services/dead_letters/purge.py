"""Drop from a dead-letter queue the letters that no longer count: their jobs were replayed or discarded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from jobs.broker.connection import connected
from jobs.broker.dead_letter_queue import HeldMessage, walk
from jobs.core.messages.dead_letter_pointer import read_dead_letter
from jobs.db.positional import once_more
from jobs.services.access.audit import note
from jobs.services.dead_letters import reads as letters

MOST_MESSAGES = 200_000
KIND = "purge"


@dataclass(slots=True)
class Purged:
    """What lay in the queue: letters that count, letters that do not, and messages that are no letters."""

    current: int = 0
    stale: int = 0
    malformed: int = 0
    dropped: int = 0


class _Judge:
    """Says which messages to drop, and counts what is found; a second copy of a letter is stale."""

    def __init__(self, *, malformed_too: bool, dry_run: bool) -> None:
        self.told = Purged()
        self._malformed_too, self._dry_run = malformed_too, dry_run
        self._kept = set[tuple[UUID, int]]()

    def __call__(self, messages: Sequence[HeldMessage]) -> list[HeldMessage]:
        keys = [_key(message) for message in messages]
        counting = letters.current([key for key in keys if key is not None])
        unwanted = [m for m, key in zip(messages, keys, strict=True) if self._is_unwanted(key, counting)]
        dropped = [] if self._dry_run else unwanted
        self.told.dropped += len(dropped)
        return dropped

    def _is_unwanted(self, key: tuple[UUID, int] | None, counting: set[tuple[UUID, int]]) -> bool:
        if key is None:
            self.told.malformed += 1
            return self._malformed_too
        if key in counting and key not in self._kept:
            self._kept.add(key)
            self.told.current += 1
            return False
        self.told.stale += 1
        return True


def _key(message: HeldMessage) -> tuple[UUID, int] | None:
    pointer = read_dead_letter(message.body)
    return None if pointer is None else (pointer.job, pointer.epoch)


def purge_stale(
    *, model: str, actor: str, malformed_too: bool = False, dry_run: bool = False, most: int = MOST_MESSAGES
) -> Purged:
    """Walk the model's dead-letter queue and drop what does not count; BrokerUnavailableError.

    What is no letter has no row to go by and stays, unless `malformed_too`. With `dry_run` all stays.
    """
    judge = _Judge(malformed_too=malformed_too, dry_run=dry_run)
    with connected(settings.INFERENCE.broker_url) as connection:
        walk(connection, model, judge=judge, most=most)
    if judge.told.dropped:
        detail: dict[str, Any] = {
            "model": model,
            "dropped": judge.told.dropped,
            "malformed_too": malformed_too,
        }
        once_more(lambda: note(KIND, actor=actor, **detail))
    return judge.told
