"""Privacy: inputs are unsealed here, outputs sealed, and failures cleaned of what a job's input holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from jobs.core.errors import (
    BatchFullError,
    InputTooLargeError,
    InvalidInputError,
    PayloadUnreadableError,
    PlatformError,
)
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.payloads.keyring import Column, Place
from jobs.core.payloads.redaction import Redactor
from jobs.payloads import vault
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.stages.classify import MESSAGE_CHARS, TRACEBACK_CHARS
from jobs.worker.stages.inputs import BatchInputs
from models_registry.core import pii
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo


class Privacy:
    """The inputs of one batch by position: `items` where they could be read, `unread` failures elsewhere.

    Where their memory is full, the inputs from `full_at` on were not read.
    """

    def __init__(self, version: VersionInfo, jobs: Sequence[Claimed]) -> None:
        """Read the jobs' inputs; EncryptionUnavailableError where their results could not be sealed."""
        secrecy = version.secrecy
        if secrecy.encrypt:
            vault.keyring().require()
        self._secrecy = secrecy
        self.items: dict[int, Item] = {}
        self.unread: dict[int, Failure] = {}
        self.full_at = len(jobs)
        inputs = BatchInputs(version)
        for at, job in enumerate(jobs):
            try:
                self.items[at] = inputs.item_of(job)
            except BatchFullError:
                self.full_at = at
                break
            except (PayloadUnreadableError, InvalidInputError, InputTooLargeError) as error:
                self.unread[at] = _unread(error)

    def leave(self, first: int, number: int) -> None:
        """Let so many jobs, which could not be given back, be tried again: nothing of them was read."""
        self.unread |= dict.fromkeys(range(first, first + number), _unread(BatchFullError()))

    def text(self, text: str) -> str:
        """Return a text that the model wrote, with tokens where it quotes secret or personal data."""
        return self._redactor.text(text) if self._secrecy.guarded else text

    def outcome(self, outcome: Success | Failure) -> Success | Failure:
        """Return an outcome whose failure quotes no such value, of any job of the batch."""
        if isinstance(outcome, Success) or not self._secrecy.guarded:
            return outcome
        message = self._redactor.text(outcome.message, most=MESSAGE_CHARS)
        trace = self._redactor.text(outcome.traceback, most=TRACEBACK_CHARS)
        return dataclasses.replace(outcome, message=message, traceback=trace)

    def sealed(self, job: UUID, outcome: Success) -> Success:
        """Return a job's output, encrypted where the version asks for it."""
        if not self._secrecy.encrypt:
            return outcome
        body = vault.seal(outcome.body, Place(job, Column.RESULT))
        return Success(body, vault.keyring().encoding)

    @cached_property
    def _redactor(self) -> Redactor:
        return Redactor(self._secrets(), names=self._secrecy.names, token=vault.token)

    def _secrets(self) -> Iterator[Any]:
        """Yield what no message may quote: whole inputs of an encrypted version, else their marked parts."""
        for item in self.items.values():
            if self._secrecy.encrypt:
                yield from (item.input, dict(item.parameters))
            elif self._secrecy.input_marks:
                yield from pii.marked(self._secrecy.input_marks, item.input)


def _unread(error: PlatformError) -> Failure:
    kind = FailureKind.TRANSIENT if error.retryable else FailureKind.INVALID
    return Failure(kind, error.code, str(error))
