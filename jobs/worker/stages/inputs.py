"""Makes a model's input of a claimed row: fetched, unsealed, and with its files in their places."""

from __future__ import annotations

from typing import Any

import msgspec

from jobs.core.payloads.keyring import Column
from jobs.core.payloads.pointer import files_of
from jobs.core.submission.file_references import filled, may_refer
from jobs.payloads.claim_check import load_plain
from jobs.payloads.job_seal import JobSeal
from jobs.payloads.sealed_objects import get_file
from jobs.services.lifecycle.claim import Claimed
from models_registry.core.runner import Item
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_input


def item_of(job: Claimed, version: VersionInfo, seal: JobSeal) -> Item:
    """Return a job's input and parameters; PayloadUnreadableError, or InvalidInputError for a file."""
    value = _input(job, version, seal)
    if not job.parameters:
        return Item(value)
    return Item(value, msgspec.json.decode(seal.unseal(job.parameters, job.encoding, Column.PARAMETERS)))


def _input(job: Claimed, version: VersionInfo, seal: JobSeal) -> Any:
    body = load_plain(job.body, job.encoding, seal, Column.INPUT)
    value = msgspec.json.decode(body)
    if may_refer(body):  # so that a row that lost its files is noticed too
        value = filled(value, dict(get_file(file, seal) for file in files_of(job.body)))
    if files_of(job.body):
        validate_input(version, value)
    return value
