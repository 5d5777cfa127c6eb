"""Decides which requests are identical, and whether one may use a stored result or a run in flight. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from jobs.core.submission.parsed_job import ParsedJob


@dataclass(frozen=True, slots=True)
class Reuse:
    """How a job may share a run under its key; the result of a run is valid for `ttl_s` seconds.

    `takes` allows an earlier result as the answer, `follows` to wait for the run of another job.
    """

    key: bytes
    ttl_s: float
    takes: bool
    follows: bool


def reuse(job: ParsedJob, *, client: int) -> Reuse | None:
    """Return what `job` of `client` may share by its version's options; None if it shares nothing."""
    options = job.version.platform_options
    if job.cache == "bypass" or not options.shares_runs:
        return None
    used, ttl_s = job.cache == "use", options.cache_ttl_s
    key = answer_key(version=_answers(job), client=client, body=job.body, parameters=job.parameters)
    return Reuse(key, ttl_s, takes=used and ttl_s > 0, follows=used and options.collapses)


def answer_key(*, version: int | str, client: int, body: bytes, parameters: bytes | None) -> bytes:
    """Return a SHA-256 that is equal for identical requests; bodies must be canonical JSON.

    `version` is its row id, or the digest of a cascade. The client is part of it, so that no client gets a
    result of another.
    """
    # The lengths come first, so that no two requests yield the same text.
    head = f"{version}/{client}/{len(body)}/{-1 if parameters is None else len(parameters)}/"
    return sha256(b"".join((head.encode(), body, parameters or b""))).digest()


def _answers(job: ParsedJob) -> int | str:
    """Return the version that answers a job; of a cascade the digest of its rule, because each step may."""
    digest = job.route.kind.digest if job.route is not None else b""
    return digest.hex() if digest else job.version.id
