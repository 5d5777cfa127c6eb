"""Publishes many messages at once and returns the outcome of each.

A confirm each costs a round trip; here a window of messages is written first and its confirms are read
after. An unroutable message is confirmed as well: the broker returns it and acknowledges it. Silence is no
answer: such a message may be queued or not, and the caller publishes it again in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import kombu
from amqp import spec
from amqp.exceptions import AMQPError

from jobs.broker.connection import connect
from jobs.broker.job_message import Outgoing
from jobs.core.errors import BrokerUnavailableError
from jobs.metrics import BROKER_BLOCKED

# A return carries its whole message; the returns of a window fit into the socket's buffers unread.
WINDOW = 256
CONFIRM_TIMEOUT_S = 5.0
POLL_S = 0.25
_BASIC_PUBLISH_FORMAT = "Bssbb"


class Outcome(StrEnum):
    """The fate of a published message."""

    CONFIRMED = "confirmed"
    NACKED = "nacked"
    UNROUTABLE = "unroutable"
    UNKNOWN = "unknown"


class ConfirmingPublisher:
    """Publishes over one channel in confirm mode; belongs to one thread."""

    def __init__(
        self,
        url: str,
        *,
        confirm_timeout_s: float = CONFIRM_TIMEOUT_S,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare to publish to the broker at `url`; once `stopping()` is true no confirm is waited for."""
        self._is_blocked = False
        self._url = url
        self._confirm_timeout_s = confirm_timeout_s
        self._stopping = stopping
        self._connection: kombu.Connection | None = None
        self._channel: Any = None
        self._last_tag = 0
        self._window = _Window([])
        self._refused = False

    @property
    def blocked(self) -> bool:
        """Return whether the broker takes no messages now."""
        return self._is_blocked

    @blocked.setter
    def blocked(self, blocked: bool) -> None:
        BROKER_BLOCKED.inc(blocked - self._is_blocked)
        self._is_blocked = blocked

    @property
    def connection(self) -> kombu.Connection:
        """Return the open connection, or open one; BrokerUnavailableError where that fails."""
        if self._connection is None:
            self._connection = connect(self._url, on_blocked=self._on_blocked)
            self._open_channel()
        return self._connection

    def open(self) -> None:
        """Connect unless that was done; BrokerUnavailableError."""
        _ = self.connection

    def close(self) -> None:
        """Drop the connection without a farewell, because the broker may not be reading."""
        connection, self._connection, self._channel = self._connection, None, None
        self.blocked = False
        if connection is not None:
            connection.collect()

    def publish(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        """Publish in order; an outcome for each, or BrokerUnavailableError with none sent."""
        self._read_frames()
        if self._refused and not self.blocked:
            self._renew_channel()
        outcomes: list[Outcome] = []
        for window in _windows(messages):
            outcomes += self._publish_window(window)
        self._refused = Outcome.NACKED in outcomes
        return outcomes

    def listen_while_blocked(self) -> bool:
        """Read the broker's frames, and return whether it still accepts no messages."""
        self._read_frames()
        return self.blocked

    def _publish_window(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        self._window = _Window(messages)
        if self._connection is None or self.blocked or self._stopping():
            return self._window.outcomes
        try:
            for index, message in enumerate(messages):
                self._send(index, message)
            self._await_confirms()
        except (AMQPError, OSError):
            self.close()
        return self._window.outcomes

    def _send(self, index: int, outgoing: Outgoing) -> None:
        self._last_tag += 1
        self._window.waiting[self._last_tag] = index
        # py-amqp's own publish reads the socket once for each message, at a quarter of the rate.
        where = (0, outgoing.exchange, outgoing.routing_key, True, False)
        self._channel.send_method(spec.Basic.Publish, _BASIC_PUBLISH_FORMAT, where, outgoing.message)

    def _await_confirms(self) -> None:
        until = time.monotonic() + self._confirm_timeout_s
        while self._window.waiting:
            if self._stopping():
                return
            if time.monotonic() >= until:
                self._give_up()
                return
            self._handle_events(POLL_S)

    def _give_up(self) -> None:
        # A blocked connection stays open: a new one would be blocked as well.
        if not self.blocked:
            self.close()

    def _read_frames(self) -> None:
        """Read the frames since the last publish: the connection may be closed, blocked or unblocked."""
        try:
            while self._handle_events(0):
                pass
        except (AMQPError, OSError) as error:
            self.close()
            raise BrokerUnavailableError(f"The broker ended the connection: {error}") from error

    def _handle_events(self, timeout_s: float) -> bool:
        try:
            self.connection.drain_events(timeout=timeout_s)
        except TimeoutError:
            return False
        return True

    def _renew_channel(self) -> None:
        # A channel that first met a quorum queue while the queue had no leader refuses all for ever.
        try:
            self._channel.close()
        except (AMQPError, OSError) as error:
            self.close()
            raise BrokerUnavailableError(f"The broker closed no channel: {error}") from error
        self._open_channel()

    def _open_channel(self) -> None:
        self._refused = False
        try:
            self._channel = self.connection.channel()
            self._channel.events["basic_return"].add(self._on_return)
            self._channel.events["basic_ack"].add(self._on_ack)
            self._channel.events["basic_nack"].add(self._on_nack)
            self._channel.confirm_select()
        except (AMQPError, OSError) as error:
            self.close()
            raise BrokerUnavailableError(f"The broker opened no channel: {error}") from error
        self._last_tag = 0
        self.connection.connection.on_unblocked = self._on_unblocked

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: Any) -> None:
        self._window.returned(message.properties.get("message_id"))

    def _on_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001  # py-amqp's signature
        self._window.settle(tag, multiple=multiple, outcome=Outcome.CONFIRMED)

    def _on_nack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001  # py-amqp's signature
        self._window.settle(tag, multiple=multiple, outcome=Outcome.NACKED)

    def _on_blocked(self, _reason: str) -> None:
        self.blocked = True

    def _on_unblocked(self) -> None:
        self.blocked = False


class _Window:
    """Messages that are written and not yet confirmed; each outcome is unknown until its confirm."""

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self.outcomes = [Outcome.UNKNOWN] * len(messages)
        self.waiting: dict[int, int] = {}
        self._index = {m.message.properties["message_id"]: i for i, m in enumerate(messages)}
        self._returned = set[int]()

    def returned(self, message_id: str | None) -> None:
        """Note a returned message; its confirm follows."""
        if message_id in self._index:
            self._returned.add(self._index[message_id])

    def settle(self, tag: int, *, multiple: bool, outcome: Outcome) -> None:
        """Note the outcome of `tag`, or of every tag up to it; tags of earlier windows are ignored."""
        tags = [waiting for waiting in self.waiting if waiting <= tag] if multiple else [tag]
        for settled in tags:
            index = self.waiting.pop(settled, None)
            if index is not None:
                self.outcomes[index] = Outcome.UNROUTABLE if index in self._returned else outcome


def _windows(messages: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    return (messages[start : start + WINDOW] for start in range(0, len(messages), WINDOW))
