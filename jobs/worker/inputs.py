"""From a claimed row to a model's input: what is stored elsewhere is fetched, files put in their places."""

from __future__ import annotations

import msgspec

from jobs.core.errors import PayloadError
from jobs.core.failures import Failure, FailureKind
from jobs.core.payload import Pointer, is_pointer, pointer_of
from jobs.core.references import filled
from jobs.payloads.objects import get
from jobs.store.claim import Claimed
from jobs.worker.failure import failure_of
from models_registry.core.errors import InvalidInputError
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_input


def item_of(job: Claimed, version: VersionInfo) -> Item | Failure:
    """Return a job's input and parameters, or why they cannot be had: that is the one job's own failure.

    What is lost or corrupt stays so, and buries the job; a storage that does not answer is asked again.
    """
    if not is_pointer(job.body):
        return _item(msgspec.json.decode(job.body), job)
    try:
        return _item(_fetched(pointer_of(job.body), version), job)
    except (PayloadError, InvalidInputError) as error:
        failure = failure_of(error)
        if failure.kind is FailureKind.TRANSIENT:
            return failure
        return Failure(FailureKind.INVALID, failure.code, failure.message)


def _fetched(pointer: Pointer, version: VersionInfo) -> object:
    value = msgspec.json.decode(get(pointer))
    if pointer.files:
        value = filled(value, {file: get(file) for file in pointer.files})
        validate_input(version, value)
    return value


def _item(value: object, job: Claimed) -> Item:
    return Item(value, msgspec.json.decode(job.parameters)) if job.parameters else Item(value)
