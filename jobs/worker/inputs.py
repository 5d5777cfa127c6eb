"""From a claimed row to a model's input: fetched and unsealed, its files put in their places."""

from __future__ import annotations

from typing import Any

import msgspec

from jobs import vault
from jobs.core.payload import files_of, is_pointer
from jobs.core.references import filled
from jobs.core.sealing import PLAIN, Column, Place
from jobs.payloads.claims import checked_out
from jobs.payloads.objects import get
from jobs.store.claim import Claimed
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_input


def item_of(job: Claimed, version: VersionInfo) -> Item:
    """Return a job's input and parameters; PayloadUnreadableError, or InvalidInputError for a file."""
    value = _input(job, version)
    if not job.parameters:
        return Item(value)
    return Item(value, msgspec.json.decode(_plain(job, job.parameters, Column.PARAMETERS)))


def _input(job: Claimed, version: VersionInfo) -> Any:
    if not is_pointer(job.body):
        return msgspec.json.decode(_plain(job, job.body, Column.INPUT))
    value = msgspec.json.decode(_plain(job, checked_out(job.body), Column.INPUT))
    if files := files_of(job.body):
        value = filled(value, {file: get(file) for file in files})
        validate_input(version, value)
    return value


def _plain(job: Claimed, stored: bytes, column: Column) -> bytes:
    return stored if job.encoding == PLAIN else vault.unseal(stored, job.encoding, Place(job.job, column))
