"""Privacy: inputs are unsealed here, outputs sealed, and so is all that a guarded model says of a failure.

No text is searched for values: a model can write one in any form. Of a guarded version's failure only its
kind, its code and where loaded code raised it are kept in clear. The model's own words are sealed under the
site's keys, for people who may see payloads; without keys nobody keeps them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from jobs.core.errors import InvalidInputError, PayloadUnreadableError, PlatformError
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.payloads.keyring import Column, Place
from jobs.core.payloads.sealed_words import SealedWords, Words
from jobs.payloads import vault
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.stages.inputs import item_of
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo

WITHHELD: Final = "The model's message is sealed, because this version's data is confidential."


class Privacy:
    """The inputs of one batch by position: `items` where they could be read, `unread` failures elsewhere."""

    def __init__(self, version: VersionInfo, jobs: Sequence[Claimed]) -> None:
        """Read the jobs' inputs; EncryptionUnavailableError where their results could not be sealed."""
        secrecy = version.secrecy
        if secrecy.encrypt:
            vault.keyring().require()
        self._secrecy = secrecy
        self.items: dict[int, Item] = {}
        self.unread: dict[int, Failure] = {}
        for at, job in enumerate(jobs):
            try:
                self.items[at] = item_of(job, version)
            except (PayloadUnreadableError, InvalidInputError) as error:
                self.unread[at] = _unread(error)

    def progress_message(self, message: str) -> str:
        """Return a message of the model's progress; empty where its version is guarded."""
        return "" if self._secrecy.guarded else message

    def outcome(self, job: UUID, outcome: Failure) -> Failure:
        """Return a job's failure, without the model's words where the version is guarded."""
        if not self._secrecy.guarded or outcome.known is None:  # the platform's own words quote no value
            return outcome
        return dataclasses.replace(
            outcome,
            code=outcome.known.code,
            message=WITHHELD,
            traceback="",
            words=_sealed(job, Words(outcome.message, outcome.traceback)),
        )

    def sealed(self, job: UUID, outcome: Success) -> Success:
        """Return a job's output, encrypted where the version asks for it."""
        if not self._secrecy.encrypt:
            return outcome
        body = vault.seal(outcome.body, Place(job, Column.RESULT))
        return Success(body, vault.keyring().encoding)


def _sealed(job: UUID, words: Words) -> SealedWords | None:
    if not vault.keyring().keys:
        return None
    body = vault.seal(msgspec.json.encode(words), Place(job, Column.ERROR))
    return SealedWords(body, vault.keyring().encoding)


def _unread(error: PlatformError) -> Failure:
    kind = FailureKind.TRANSIENT if error.retryable else FailureKind.INVALID
    return Failure(kind, error.code, str(error))
