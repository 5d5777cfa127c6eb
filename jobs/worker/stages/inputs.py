"""Makes the models' inputs of claimed rows: fetched, unsealed, and with their files in their places."""

from __future__ import annotations

from typing import Any

import msgspec
from django.conf import settings

from jobs.core.errors import BatchFullError
from jobs.core.payloads.job_keys import OF_JOB
from jobs.core.payloads.keyring import PLAIN, Column
from jobs.core.payloads.pointer import StoredPayload, files_of, is_pointer, pointer_of
from jobs.core.payloads.sealed_file import plain_size
from jobs.core.submission.file_references import as_value, filled, may_refer, outline, referred_files
from jobs.core.submission.input_size import (
    check_decoded,
    check_resolved,
    is_json,
    memory_bytes,
    resolved_bytes,
)
from jobs.payloads.claim_check import load_plain
from jobs.payloads.job_seal import JobSeal
from jobs.payloads.sealed_objects import get_file
from jobs.services.lifecycle.claim import Claimed
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_input, validate_outline


class BatchInputs:
    """Reads the inputs of one batch: a file once for each client, one sealed for its job once for that job.

    No more is read than the memory of a batch holds. A message's size is a hint that anybody may have
    written, so the sizes in the row count here, and files are read only when all that is known without them
    allows it.
    """

    def __init__(self, version: VersionInfo) -> None:
        """Begin with nothing read."""
        self._version = version
        self._most_bytes = settings.INFERENCE.max_resolved_bytes
        self._memory_bytes, self._used_bytes = settings.INFERENCE.batch_input_bytes, 0
        self._files = dict[tuple[int, StoredPayload], tuple[StoredPayload, bytes | str]]()

    def item_of(self, job: Claimed, seal: JobSeal) -> Item:
        """Return a job's input and parameters; BatchFullError where no memory is left for them.

        PayloadUnreadableError; InputTooLargeError; InvalidInputError for a file.
        """
        value = self._input(job, seal)
        if not job.parameters:
            return Item(value)
        return Item(value, msgspec.json.decode(seal.unseal(job.parameters, job.encoding, Column.PARAMETERS)))

    def _input(self, job: Claimed, seal: JobSeal) -> Any:
        if is_pointer(job.body):
            check_resolved(pointer_of(job.body).size, self._most_bytes)
        body = load_plain(job.body, job.encoding, seal, Column.INPUT)
        own_bytes = memory_bytes(body)
        self._check_room(own_bytes)
        value = msgspec.json.decode(body)
        if may_refer(body):  # so that a row that lost its files is noticed too
            value, own_bytes = self._filled(files_of(job.body), seal, body, value)
        elif files_of(job.body):
            validate_input(self._version, value)
        self._used_bytes += own_bytes
        return value

    def _filled(
        self, files: tuple[StoredPayload, ...], seal: JobSeal, body: bytes, value: Any
    ) -> tuple[Any, int]:
        """Return an input with its files, and the bytes that it takes."""
        referred = referred_files(value)
        check_resolved(resolved_bytes(len(body), referred), self._most_bytes)
        own_bytes = memory_bytes(body, referred)
        self._check_room(own_bytes)
        validate_outline(self._version, *outline(value))
        check_resolved(sum(map(_plain_size, files)), self._most_bytes)
        value = filled(value, dict(self._file(file, seal) for file in files))
        if files:
            validate_input(self._version, value)
        return value, own_bytes

    def _file(self, stored: StoredPayload, seal: JobSeal) -> tuple[StoredPayload, Any]:
        """Return a file in its plain form, and its value, which jobs share where it cannot be changed."""
        if stored.encoding == OF_JOB:  # no other job opens it
            return self._value(*_read(stored, seal))
        held = seal.identity.client, stored  # of another client it must be refused, also after it was read
        if held not in self._files:
            self._files[held] = _read(stored, seal)
        return self._value(*self._files[held])

    def _value(self, plain: StoredPayload, held: bytes | str) -> tuple[StoredPayload, Any]:
        if isinstance(held, str):
            return plain, held
        check_decoded(held, self._most_bytes)
        return plain, as_value(plain, held)

    def _check_room(self, own_bytes: int) -> None:
        """Raise BatchFullError where an input no longer fits; the first one always does."""
        if self._used_bytes and self._used_bytes + own_bytes > self._memory_bytes:
            raise BatchFullError


def _read(stored: StoredPayload, seal: JobSeal) -> tuple[StoredPayload, bytes | str]:
    """Return a file in its plain form, and its text; if it is JSON its bytes, to be decoded for each job."""
    plain, body = get_file(stored, seal)
    return plain, body if is_json(plain) else as_value(plain, body)


def _plain_size(file: StoredPayload) -> int:
    return file.size if file.encoding == PLAIN else plain_size(file.size)
