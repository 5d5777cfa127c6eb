"""Makes the models' inputs of claimed rows: fetched, unsealed, and with their files in their places."""

from __future__ import annotations

from typing import Any

import msgspec
from django.conf import settings

from jobs.core.errors import BatchFullError
from jobs.core.payloads.keyring import PLAIN, Column, Place
from jobs.core.payloads.pointer import StoredPayload, files_of, is_pointer, pointer_of
from jobs.core.submission.file_references import as_value, filled, may_refer, outline, referred_files
from jobs.core.submission.input_size import (
    check_decoded,
    check_resolved,
    is_json,
    memory_bytes,
    resolved_bytes,
)
from jobs.payloads import vault
from jobs.payloads.claim_check import load_payload
from jobs.payloads.sealed_objects import get_file
from jobs.services.lifecycle.claim import Claimed
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_input, validate_outline


class BatchInputs:
    """Reads the inputs of one batch: each file once, and no more than the memory of a batch holds.

    A message's size is a hint that anybody may have written, so the sizes in the row count here, and files
    are read only when all that is known without them allows it.
    """

    def __init__(self, version: VersionInfo) -> None:
        """Begin with nothing read."""
        self._version = version
        self._most_bytes = settings.INFERENCE.max_resolved_bytes
        self._memory_bytes, self._used_bytes = settings.INFERENCE.batch_input_bytes, 0
        self._files = dict[StoredPayload, tuple[StoredPayload, bytes | str]]()

    def item_of(self, job: Claimed) -> Item:
        """Return a job's input and parameters; BatchFullError where no memory is left for them.

        PayloadUnreadableError; InputTooLargeError; InvalidInputError for a file.
        """
        value = self._input(job)
        if not job.parameters:
            return Item(value)
        return Item(value, msgspec.json.decode(_plain(job, job.parameters, Column.PARAMETERS)))

    def _input(self, job: Claimed) -> Any:
        if is_pointer(job.body):
            check_resolved(pointer_of(job.body).size, self._most_bytes)
        body = _plain(job, load_payload(job.body), Column.INPUT)
        own_bytes = memory_bytes(body)
        self._check_room(own_bytes)
        value = msgspec.json.decode(body)
        if may_refer(body):  # so that a row that lost its files is noticed too
            value, own_bytes = self._filled(job, body, value)
        elif files_of(job.body):
            validate_input(self._version, value)
        self._used_bytes += own_bytes
        return value

    def _filled(self, job: Claimed, body: bytes, value: Any) -> tuple[Any, int]:
        """Return an input with its files, and the bytes that it takes."""
        referred = referred_files(value)
        check_resolved(resolved_bytes(len(body), referred), self._most_bytes)
        own_bytes = memory_bytes(body, referred)
        self._check_room(own_bytes)
        validate_outline(self._version, *outline(value))
        check_resolved(sum(file.size for file in files_of(job.body)), self._most_bytes)
        value = filled(value, dict(map(self._file, files_of(job.body))))
        if files_of(job.body):
            validate_input(self._version, value)
        return value, own_bytes

    def _file(self, stored: StoredPayload) -> tuple[StoredPayload, Any]:
        """Return a file in its plain form, and its value, which jobs share where it cannot be changed."""
        if stored not in self._files:
            plain, body = get_file(stored)
            self._files[stored] = plain, body if is_json(plain) else as_value(plain, body)
        plain, held = self._files[stored]
        if isinstance(held, str):
            return plain, held
        check_decoded(held, self._most_bytes)
        return plain, as_value(plain, held)

    def _check_room(self, own_bytes: int) -> None:
        """Raise BatchFullError where an input no longer fits; the first one always does."""
        if self._used_bytes and self._used_bytes + own_bytes > self._memory_bytes:
            raise BatchFullError


def _plain(job: Claimed, stored: bytes, column: Column) -> bytes:
    return stored if job.encoding == PLAIN else vault.unseal(stored, job.encoding, Place(job.job, column))
