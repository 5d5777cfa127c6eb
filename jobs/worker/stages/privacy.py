"""Privacy: inputs are unsealed here, outputs sealed, and so is all that a guarded model says of a failure.

No text is searched for values: a model can write one in any form. Of a guarded version's failure only its
kind, its code and where loaded code raised it are kept in clear. The model's own words are sealed for
the job, for people who may see payloads; without keys nobody keeps them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from jobs.core.errors import (
    BatchFullError,
    EncryptionUnavailableError,
    InputTooLargeError,
    InvalidInputError,
    PayloadUnreadableError,
    PlatformError,
)
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import Column
from jobs.core.payloads.sealed_words import SealedWords, Words
from jobs.payloads import vault
from jobs.payloads.job_seal import JobSeal
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.stages.inputs import BatchInputs
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo

WITHHELD: Final = "The model's message is sealed, because this version's data is confidential."


class Privacy:
    """The inputs of one batch by position: `items` where they could be read, `unread` failures elsewhere.

    Where their memory is full, the inputs from `full_at` on were not read.
    """

    def __init__(self, version: VersionInfo, jobs: Sequence[Claimed], *, as_files: bool = False) -> None:
        """Read the jobs' inputs; EncryptionUnavailableError where their results could not be sealed."""
        secrecy = version.secrecy
        if secrecy.encrypt:
            _ = vault.data_keys().first
        self._secrecy = secrecy
        self.items: dict[int, Item] = {}
        self.unread: dict[int, Failure] = {}
        self._seals = {job.job: _seal(job, version) for job in jobs}
        self.full_at = len(jobs)
        inputs = BatchInputs(version, as_files=as_files)
        for at, job in enumerate(jobs):
            try:
                self.items[at] = inputs.item_of(job, self._seals[job.job])
            except BatchFullError:
                self.full_at = at
                break
            except (PayloadUnreadableError, InvalidInputError, InputTooLargeError) as error:
                self.unread[at] = _unread(error)

    def leave(self, first: int, number: int) -> None:
        """Let so many jobs, which could not be given back, be tried again: nothing of them was read."""
        self.unread |= dict.fromkeys(range(first, first + number), _unread(BatchFullError()))

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
            words=_sealed(self._seals[job], Words(outcome.message, outcome.traceback)),
        )

    def sealed(self, job: UUID, outcome: Success) -> Success:
        """Return a job's output, encrypted where the version asks for it."""
        if not self._secrecy.encrypt:
            return outcome
        seal = self._seals[job]
        return Success(seal.seal(outcome.body, Column.RESULT), seal.encoding)


def _sealed(seal: JobSeal, words: Words) -> SealedWords | None:
    """Return the words sealed; None where they cannot be, because a verdict must not wait for a key."""
    try:
        return SealedWords(*seal.seal_message(msgspec.json.encode(words)))
    except (EncryptionUnavailableError, PayloadUnreadableError):
        return None


def _seal(job: Claimed, version: VersionInfo) -> JobSeal:
    # The model of the version that runs the job: under that of any other the job cannot be read.
    identity = JobIdentity(job.job, job.client, version.model_id)
    return JobSeal(identity, job.wrapped, job.answer, encrypts=version.secrecy.encrypt)


def _unread(error: PlatformError) -> Failure:
    kind = FailureKind.TRANSIENT if error.retryable else FailureKind.INVALID
    return Failure(kind, error.code, str(error))
