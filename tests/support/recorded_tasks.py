"""The tasks for webhooks that a dispatcher sends, kept instead of sent."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.broker.webhook_task import WebhookAttempt, WebhookTasks


class RecordedTasks(WebhookTasks):
    """Keeps every attempt in `sent`, but refuses those beyond the first `most` of a call."""

    def __init__(self, *, most: int = 1_000) -> None:
        super().__init__()
        self.sent: list[WebhookAttempt] = []
        self._most = most

    def open(self) -> None:
        pass

    def send(self, attempts: Sequence[WebhookAttempt]) -> list[WebhookAttempt]:
        self.sent += attempts[: self._most]
        return list(attempts[: self._most])
