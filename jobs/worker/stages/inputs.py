"""Makes the models' inputs of claimed rows: fetched, unsealed, and with their files in their places."""

from __future__ import annotations

from typing import Any, TypeAlias

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
    media_type_of,
    memory_bytes,
    resolved_bytes,
)
from jobs.payloads.claim_check import load_plain
from jobs.payloads.job_seal import JobSeal
from jobs.payloads.sealed_objects import get_file
from jobs.services.lifecycle.claim import Claimed
from models_registry.core.runner import FileInput, Item
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_input, validate_outline

Held: TypeAlias = "bytes | str | FileInput"


class BatchInputs:
    """Reads the inputs of one batch: a file once for each client, one sealed for its job once for that job.

    No more is read than the memory of a batch holds. A message's size is a hint that anybody may have
    written, so the sizes in the row count here, and files are read only when all that is known without them
    allows it.
    """

    def __init__(self, version: VersionInfo, *, as_files: bool = False) -> None:
        """Begin with nothing read; `as_files` are files given as FileInput, all but JSON."""
        self._version, self._as_files = version, as_files
        self._most_bytes = settings.INFERENCE.max_resolved_bytes
        self._memory_bytes, self._used_bytes = settings.INFERENCE.batch_input_bytes, 0
        self._files = dict[tuple[int, StoredPayload], tuple[StoredPayload, Held]]()

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
        outlined, places = outline(value)
        validate_outline(self._version, outlined, places)
        check_resolved(sum(map(_plain_size, files)), self._most_bytes)
        values = dict(self._file(file, seal) for file in files)
        if self._as_files:  # a schema sees a string in a file's place, as it does at submit
            shown = {file: "" if isinstance(held, FileInput) else held for file, held in values.items()}
            strings = {place: True for place, is_string in places.items() if is_string}
            validate_outline(self._version, filled(value, shown), strings)
        value = filled(value, values)
        if files and not self._as_files:
            validate_input(self._version, value)
        return value, own_bytes

    def _file(self, stored: StoredPayload, seal: JobSeal) -> tuple[StoredPayload, Any]:
        """Return a file in its plain form, and its value, which jobs share where it cannot be changed."""
        if stored.encoding == OF_JOB:  # no other job opens it
            return self._value(*self._read(stored, seal))
        held = seal.identity.client, stored  # of another client it must be refused, also after it was read
        if held not in self._files:
            self._files[held] = self._read(stored, seal)
        return self._value(*self._files[held])

    def _read(self, stored: StoredPayload, seal: JobSeal) -> tuple[StoredPayload, Held]:
        """Return a file in its plain form, and its text or itself; JSON as bytes, decoded for each job."""
        plain, body = get_file(stored, seal)
        if is_json(plain):
            return plain, body
        return plain, FileInput(body, media_type_of(plain)) if self._as_files else as_value(plain, body)

    def _value(self, plain: StoredPayload, held: Held) -> tuple[StoredPayload, Any]:
        if not isinstance(held, bytes):
            return plain, held
        check_decoded(held, self._most_bytes)
        return plain, as_value(plain, held)

    def _check_room(self, own_bytes: int) -> None:
        """Raise BatchFullError where an input no longer fits; the first one always does."""
        if self._used_bytes and self._used_bytes + own_bytes > self._memory_bytes:
            raise BatchFullError


def _plain_size(file: StoredPayload) -> int:
    return file.size if file.encoding == PLAIN else plain_size(file.size)
