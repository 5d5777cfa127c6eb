"""Which requests are identical, and what each may share: a stored answer or a run under way. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from jobs.core.submission.parsed_job import ParsedJob
from models_registry.core.reuse_options import ReuseOptions


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a job may share with others under its key: the answer of its run holds for `ttl_s` seconds.

    `takes` says that it may be answered by an earlier result, `follows` that it may wait for another's run.
    """

    key: bytes
    ttl_s: float
    takes: bool
    follows: bool


def reuse(job: ParsedJob, *, client: int) -> Reuse | None:
    """Return what `job` of `client` may share by its version's options; None where it runs for itself."""
    told = ReuseOptions.of(job.version.options)
    if job.cache == "bypass" or not told.shares:
        return None
    used = job.cache == "use"
    key = answer_key(version=job.version.id, client=client, body=job.body, parameters=job.parameters)
    return Reuse(key, told.cache_ttl_s, takes=used and told.cache_ttl_s > 0, follows=used and told.collapse)


def answer_key(*, version: int, client: int, body: bytes, parameters: bytes | None) -> bytes:
    """Return the SHA-256 that identical requests have in common; of bodies it takes canonical JSON only.

    The client is part of it, so that nobody is answered with another's result.
    """
    # Lengths before what varies: no two requests are one text.
    head = f"{version}/{client}/{len(body)}/{-1 if parameters is None else len(parameters)}/"
    return sha256(b"".join((head.encode(), body, parameters or b""))).digest()
