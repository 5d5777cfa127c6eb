"""Stores jobs of guarded versions: payloads are sealed, and digests are keyed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final
from uuid import UUID

from jobs.core.errors import PlatformError
from jobs.core.payloads.keyring import PLAIN, Column, Place
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.reuse.key import Reuse, reuse
from jobs.core.submission.parsed_job import ParsedJob, Refusals
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain, store_payload
from jobs.payloads.sealed_objects import under_first_key
from models_registry.core.secrecy import Secrecy

COLUMNS: Final[Mapping[str, Column]] = {
    "body": Column.INPUT,
    "parameters": Column.PARAMETERS,
    "metadata": Column.METADATA,
}
_UNSEALED: Final[dict[str, Any]] = {"encoding": PLAIN, "variant": None}


def guarded(job: ParsedJob, secrecy: Secrecy) -> ParsedJob:
    """Return the job with its version's secrecy; EncryptionUnavailableError if a needed key is missing."""
    if not secrecy.guarded:
        return job
    if secrecy.encrypt:
        vault.keyring().require()
    # An input could be guessed from a plain digest.
    digest = None if job.digest is None else vault.digest("request", job.digest)
    return replace(job, digest=digest, secrecy=secrecy)


def sealed_files(jobs: Mapping[int, ParsedJob]) -> tuple[dict[int, ParsedJob], Refusals]:
    """Seal the files that lie in clear of jobs whose version encrypts; return the jobs and the refusals.

    A file that several jobs of a call refer to is sealed once: it is bound to itself, not to a job.
    """
    seal = cache(under_first_key)
    sealed: dict[int, ParsedJob] = {}
    refusals: Refusals = {}
    for index, job in jobs.items():
        try:
            sealed[index] = _with_sealed_files(job, seal)
        except PlatformError as error:
            refusals[index] = error
    return sealed, refusals


def _with_sealed_files(job: ParsedJob, seal: Callable[[StoredPayload], StoredPayload]) -> ParsedJob:
    if not (job.files and job.secrecy.encrypt):
        return job
    return replace(job, files=tuple(map(seal, job.files)))


def shared_key(job: ParsedJob, *, client: int) -> Reuse | None:
    """Return how the job may share a run; the key is a keyed digest if its version is guarded."""
    shared = reuse(job, client=client)
    if shared is None or not job.secrecy.guarded:
        return shared
    return replace(shared, key=vault.digest("answer", shared.key))


def input_columns(job_id: UUID, job: ParsedJob) -> dict[str, Any]:
    """Return the columns of JobInput for a new job."""
    plain = {name: getattr(job, name) for name in COLUMNS}
    columns = sealed_input(job_id, plain) if job.secrecy.encrypt else plain | _UNSEALED
    columns["body"] = store_payload(columns["body"], job.files)
    return columns


def sealed_input(job_id: UUID, plain: Mapping[str, bytes | None]) -> dict[str, Any]:
    """Return the columns of an input, sealed under the first key."""
    sealed = {
        name: None if body is None else vault.seal(body, Place(job_id, COLUMNS[name]))
        for name, body in plain.items()
    }
    # Equal parameters are sealed under different nonces; this digest says which may share a batch.
    digest = vault.parameters_digest(plain["parameters"])
    return sealed | {"encoding": vault.keyring().encoding, "variant": digest}


def unsealed_input(
    job_id: UUID, stored: Mapping[str, bytes | None], encoding: str
) -> dict[str, bytes | None]:
    """Return the decrypted columns of an input; PayloadUnreadableError."""
    return {
        name: None if body is None else load_plain(body, encoding, Place(job_id, COLUMNS[name]))
        for name, body in stored.items()
    }
