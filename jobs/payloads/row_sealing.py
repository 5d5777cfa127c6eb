"""What a guarded version's job is stored as: sealed payloads, keyed digests instead of plain ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final
from uuid import UUID

from jobs.core.errors import PlatformError
from jobs.core.payloads.keyring import PLAIN, Column, Place
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.reuse.key import Reuse, reuse
from jobs.core.submission.request import Admitted
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain, store_payload
from jobs.payloads.sealed_objects import under_first_key
from models_registry.core.secrecy import Secrecy

COLUMNS: Final[Mapping[str, Column]] = {
    "body": Column.INPUT,
    "parameters": Column.PARAMETERS,
    "metadata": Column.METADATA,
}
_AS_IT_IS: Final[dict[str, Any]] = {"encoding": PLAIN, "variant": None}


def guarded(job: Admitted, secrecy: Secrecy) -> Admitted:
    """Return the job with its version's secrecy; EncryptionUnavailableError where there is no key for it."""
    if not secrecy.guarded:
        return job
    if secrecy.encrypt:
        vault.keyring().require()
    # A plain digest of an input could be found by trying inputs.
    known = None if job.digest is None else vault.digest("request", job.digest)
    return replace(job, digest=known, secrecy=secrecy)


def with_sealed_files(jobs: Iterable[Any]) -> list[Any]:
    """Return a call's jobs, files that lie in clear sealed where a version asks; an error in a job's place.

    A file is sealed once a call, for it is bound to itself: which job it is given to is told by the inputs.
    """
    seal = cache(under_first_key)
    return [_with_sealed_files(job, seal) if isinstance(job, Admitted) else job for job in jobs]


def _with_sealed_files(
    job: Admitted, seal: Callable[[StoredPayload], StoredPayload]
) -> Admitted | PlatformError:
    if not (job.files and job.secrecy.encrypt):
        return job
    try:
        return replace(job, files=tuple(map(seal, job.files)))
    except PlatformError as error:
        return error


def shared_key(job: Admitted, *, client: int) -> Reuse | None:
    """Return what the job may share, under a keyed digest where its version is guarded."""
    found = reuse(job, client=client)
    if found is None or not job.secrecy.guarded:
        return found
    return replace(found, key=vault.digest("answer", found.key))


def input_columns(job_id: UUID, job: Admitted) -> dict[str, Any]:
    """Return the JobInput's columns of a job that is about to be stored."""
    plain = {name: getattr(job, name) for name in COLUMNS}
    kept = sealed_input(job_id, plain) if job.secrecy.encrypt else plain | _AS_IT_IS
    kept["body"] = store_payload(kept["body"], job.files)
    return kept


def sealed_input(job_id: UUID, plain: Mapping[str, bytes | None]) -> dict[str, Any]:
    """Return the columns of an input, sealed under the key that is the first now."""
    sealed = {
        name: None if body is None else vault.seal(body, Place(job_id, COLUMNS[name]))
        for name, body in plain.items()
    }
    # Each nonce is another, so equal parameters are unequal at rest: what may share a batch is told apart.
    return sealed | {"encoding": vault.keyring().encoding, "variant": vault.variant(plain["parameters"])}


def unsealed_input(
    job_id: UUID, stored: Mapping[str, bytes | None], encoding: str
) -> dict[str, bytes | None]:
    """Return the columns of an input as they were given; PayloadUnreadableError."""
    return {
        name: None if body is None else load_plain(body, encoding, Place(job_id, COLUMNS[name]))
        for name, body in stored.items()
    }
