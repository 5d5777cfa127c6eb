"""Drops stale messages from a dead-letter queue, whose jobs were replayed or discarded since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from jobs.broker.connection import connected
from jobs.broker.dead_letter_queue import HeldMessage, walk
from jobs.core.messages.dead_letter_pointer import read_dead_letter
from jobs.db.statement import once_more
from jobs.services.access.audit import note
from jobs.services.dead_letters import reads as dead_letters
from jobs.services.dead_letters.reads import DeadLetterKey

MOST_MESSAGES = 200_000
KIND = "purge"


@dataclass(slots=True)
class Purged:
    """The messages in the queue: dead letters that count, stale ones, and messages that are none."""

    current: int = 0
    stale: int = 0
    malformed: int = 0
    dropped: int = 0


class _Judge:
    """Decides which messages to drop, and counts them; a second copy of a dead letter is stale."""

    def __init__(self, *, malformed_too: bool, dry_run: bool) -> None:
        self.counts = Purged()
        self._malformed_too, self._dry_run = malformed_too, dry_run
        self._seen = set[DeadLetterKey]()

    def __call__(self, messages: Sequence[HeldMessage]) -> list[HeldMessage]:
        keys = [_key(message) for message in messages]
        current = dead_letters.current([key for key in keys if key is not None])
        unwanted = [m for m, key in zip(messages, keys, strict=True) if self._is_unwanted(key, current)]
        dropped = [] if self._dry_run else unwanted
        self.counts.dropped += len(dropped)
        return dropped

    def _is_unwanted(self, key: DeadLetterKey | None, current: set[DeadLetterKey]) -> bool:
        if key is None:
            self.counts.malformed += 1
            return self._malformed_too
        if key in current and key not in self._seen:
            self._seen.add(key)
            self.counts.current += 1
            return False
        self.counts.stale += 1
        return True


def _key(message: HeldMessage) -> DeadLetterKey | None:
    pointer = read_dead_letter(message.body)
    return None if pointer is None else DeadLetterKey(pointer.job, pointer.epoch)


def purge_stale(
    *, model: str, actor: str, malformed_too: bool = False, dry_run: bool = False, most: int = MOST_MESSAGES
) -> Purged:
    """Walk the model's dead-letter queue and drop the dead letters that do not count; BrokerUnavailableError.

    Messages that are not dead letters stay, unless `malformed_too`. With `dry_run` nothing is dropped.
    """
    judge = _Judge(malformed_too=malformed_too, dry_run=dry_run)
    with connected(settings.INFERENCE.broker_url) as connection:
        walk(connection, model, judge=judge, most=most)
    if judge.counts.dropped:
        detail: dict[str, Any] = {
            "model": model,
            "dropped": judge.counts.dropped,
            "malformed_too": malformed_too,
        }
        once_more(lambda: note(KIND, actor=actor, **detail))
    return judge.counts
