"""Stores jobs of guarded versions: payloads are sealed under the job's keys, and digests are keyed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from jobs.core.payloads.job_keys import OF_JOB, JobIdentity
from jobs.core.payloads.keyring import PLAIN, Column
from jobs.core.reuse.key import Reuse, reuse
from jobs.core.submission.parsed_job import ParsedJob
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain, store_payload
from jobs.payloads.job_seal import JobSeal, new_seal
from jobs.payloads.sealed_objects import for_job
from models_registry.core.secrecy import Secrecy

COLUMNS: Final[Mapping[str, Column]] = {
    "body": Column.INPUT,
    "parameters": Column.PARAMETERS,
    "metadata": Column.METADATA,
}
_UNSEALED: Final[dict[str, Any]] = {"encoding": PLAIN, "variant": None, "wrapped": None, "answer": None}


def guarded(job: ParsedJob, secrecy: Secrecy) -> ParsedJob:
    """Return the job with its version's secrecy; EncryptionUnavailableError if a needed key is missing."""
    if not secrecy.guarded:
        return job
    if secrecy.encrypt:
        _ = vault.data_keys().first
    # An input could be guessed from a plain digest.
    digest = None if job.digest is None else keyed_request(job.digest)
    return replace(job, digest=digest, unkeyed=job.digest, secrecy=secrecy)


def keyed_request(digest: bytes) -> bytes:
    """Return what is stored of a request's digest where its version is guarded."""
    return vault.digest("request", digest)


def is_of_request(stored: bytes | None, job: ParsedJob) -> bool:
    """Return whether a stored digest is that of this request, whichever of the two forms each has.

    A repeat may meet another version than the first call: one that guards its inputs, or one that does not.
    """
    if stored is None or stored == job.digest or job.digest is None:
        return True
    return stored == (keyed_request(job.digest) if job.unkeyed is None else job.unkeyed)


def shared_key(job: ParsedJob, *, client: int, generation: int) -> Reuse | None:
    """Return how the job may share a run; the key is a keyed digest if its version is guarded.

    `generation` is that of the cache of the job's model, or the sum of those of its cascade's models.
    """
    shared = reuse(job, client=client, generation=generation)
    if shared is None or not job.secrecy.guarded:
        return shared
    return replace(shared, key=vault.digest("answer", shared.key))


def input_columns(identity: JobIdentity, job: ParsedJob, shared: Reuse | None) -> dict[str, Any]:
    """Return the columns of JobInput for a new job, and the wrapped keys of one that encrypts."""
    plain = {name: getattr(job, name) for name in COLUMNS}
    if not job.secrecy.encrypt:
        return {**plain, **_UNSEALED, "body": store_payload(job.body, job.files)}
    seal = new_seal(identity, request=shared.key if shared else None)
    columns = sealed_input(seal, plain)
    files = [for_job(file, seal=seal) for file in job.files]
    keys = {"wrapped": seal.wrapped, "answer": seal.answer}
    return {**columns, **keys, "body": store_payload(columns["body"], files)}


def sealed_input(seal: JobSeal, plain: Mapping[str, bytes | None]) -> dict[str, Any]:
    """Return the columns of an input, sealed for its job."""
    sealed = {name: None if body is None else seal.seal(body, COLUMNS[name]) for name, body in plain.items()}
    # Equal parameters are sealed under different keys; this digest says which may share a batch.
    digest = vault.parameters_digest(plain["parameters"])
    return sealed | {"encoding": OF_JOB, "variant": digest}


def unsealed_input(
    seal: JobSeal, stored: Mapping[str, bytes | None], encoding: str
) -> dict[str, bytes | None]:
    """Return the decrypted columns of an input; PayloadUnreadableError."""
    return {
        name: None if body is None else load_plain(body, encoding, seal, COLUMNS[name])
        for name, body in stored.items()
    }
