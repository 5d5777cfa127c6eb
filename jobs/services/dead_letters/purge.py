"""Drops stale messages from a dead-letter queue, whose jobs were replayed or discarded since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

    def __init__(self, *, malformed_before: datetime | None, dry_run: bool) -> None:
        self.counts = Purged()
        self._malformed_before, self._dry_run = malformed_before, dry_run
        self._seen = set[DeadLetterKey]()

    def __call__(self, messages: Sequence[HeldMessage]) -> list[HeldMessage]:
        keys = [_key(message) for message in messages]
        current = dead_letters.current([key for key in keys if key is not None])
        pairs = zip(messages, keys, strict=True)
        unwanted = [message for message, key in pairs if self._is_unwanted(message, key, current)]
        dropped = [] if self._dry_run else unwanted
        self.counts.dropped += len(dropped)
        return dropped

    def _is_unwanted(
        self, message: HeldMessage, key: DeadLetterKey | None, current: set[DeadLetterKey]
    ) -> bool:
        if key is None:
            self.counts.malformed += 1
            return self._is_old(message)
        if key in current and key not in self._seen:
            self._seen.add(key)
            self.counts.current += 1
            return False
        self.counts.stale += 1
        return True

    def _is_old(self, message: HeldMessage) -> bool:
        """Return whether a malformed message goes; one without a time counts as old."""
        limit = self._malformed_before
        return limit is not None and (message.since is None or message.since < limit)


def _key(message: HeldMessage) -> DeadLetterKey | None:
    pointer = read_dead_letter(message.body)
    return None if pointer is None else DeadLetterKey(pointer.job, pointer.epoch)


def purge_stale(
    *,
    model: str,
    actor: str,
    malformed_after_days: int | None = None,
    dry_run: bool = False,
    most: int = MOST_MESSAGES,
) -> Purged:
    """Walk the model's dead-letter queue and drop the dead letters that do not count; BrokerUnavailableError.

    Messages that are not dead letters stay; with `malformed_after_days` those that are as old go too. With
    `dry_run` nothing is dropped.
    """
    judge = _Judge(malformed_before=_before(malformed_after_days), dry_run=dry_run)
    with connected(settings.INFERENCE.broker_url) as connection:
        walk(connection, model, judge=judge, most=most)
    if judge.counts.dropped:
        detail: dict[str, Any] = {
            "model": model,
            "dropped": judge.counts.dropped,
            "malformed_after_days": malformed_after_days,
        }
        once_more(lambda: note(KIND, actor=actor, **detail))
    return judge.counts


def _before(days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) - timedelta(days=days)
