"""A request read against the model version that will run it: canonical JSON, sizes, digests. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from jobs.core.canonical_json import canonical_bytes, digest
from jobs.core.errors import MetadataTooLargeError, PlatformError
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.input_size import MOST_SIZE, memory_bytes
from jobs.core.submission.job_labels import Labels
from jobs.core.submission.request import MAX_METADATA_BYTES, JobRequest
from jobs.core.submission.routed_job import JobRoute
from models_registry.core.options import PlatformOptions
from models_registry.core.secrecy import Secrecy


class Version(Protocol):
    """What parsing needs to know of the model version that will run the job."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def model_id(self) -> int: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def padded(self) -> bool: ...  # noqa: D102
    @property
    def p95_goal_s(self) -> float: ...  # noqa: D102
    @property
    def max_attempts(self) -> int: ...  # noqa: D102
    @property
    def platform_options(self) -> PlatformOptions: ...  # noqa: D102


OPEN = Secrecy()
Parts = tuple[bytes, bytes | None]  # input and parameters as canonical JSON
Refusals = dict[int, PlatformError]  # by an item's place in its call


@dataclass(frozen=True, slots=True)
class ParsedJob:
    """A request that fits its model version; `body`, `parameters` and `metadata` are canonical JSON.

    `files` are those that the input refers to; `subjects` are keyed digests, of models that mark subjects.
    `labels` are the fields of the metadata by which the job can be found.
    `size` is in bytes: of the input's text where the version pads, else of the memory that the input takes.
    `digest` is keyed where the version is guarded; `unkeyed` is the digest before that, which is not stored.
    `output_form` is None for JSON. `route` is None where the request itself named the version.
    `shadowed_by` is the rule whose shadow gets a copy of the job, None for no copy.
    """

    version: Version
    priority: int
    max_attempts: int
    size: int
    deadline_s: float | None
    body: bytes
    parameters: bytes | None
    metadata: bytes | None
    idempotency_key: str | None
    digest: bytes | None
    cache: str
    secrecy: Secrecy = OPEN
    callback_url: str | None = None
    files: tuple[StoredPayload, ...] = ()
    subjects: tuple[bytes, ...] = ()
    labels: Labels = ()
    output_form: str | None = None
    route: JobRoute | None = None
    shadowed_by: int | None = None
    unkeyed: bytes | None = None

    @property
    def payload_bytes(self) -> int:
        """Return the bytes of its input, parameters and files."""
        files = sum(file.size for file in self.files)
        return len(self.body) + len(self.parameters or b"") + files


def canonical_parts(request: JobRequest) -> Parts:
    """Return input and parameters of a request as canonical JSON; MalformedRequestError."""
    return canonical_bytes(request.input), _object_bytes(request.parameters)


def parse_job(
    request: JobRequest,
    version: Version,
    *,
    parts: Parts | None = None,
    route: JobRoute | None = None,
    shadowed_by: int | None = None,
) -> ParsedJob:
    """Return the job that `request` becomes on `version`; RequestError if it is not valid.

    `parts` are those of `canonical_parts`, where they were needed before.
    """
    body, parameters = parts or (canonical_bytes(request.input), _object_bytes(request.parameters))
    return ParsedJob(
        version=version,
        priority=request.priority,
        max_attempts=request.max_attempts or version.max_attempts,
        size=min(len(body) if version.padded else memory_bytes(body), MOST_SIZE),
        deadline_s=request.deadline_s,
        body=body,
        parameters=parameters,
        metadata=_metadata_bytes(request.metadata),
        idempotency_key=request.idempotency_key,
        digest=_request_digest(request) if request.idempotency_key is not None else None,
        cache=request.cache,
        callback_url=request.callback_url,
        output_form=None if request.encoding == "json" else request.encoding,
        route=route,
        shadowed_by=shadowed_by,
    )


def _object_bytes(value: dict[str, Any] | None) -> bytes | None:
    return canonical_bytes(value) if value else None


def _metadata_bytes(value: dict[str, Any] | None) -> bytes | None:
    body = _object_bytes(value)
    if body is not None and len(body) > MAX_METADATA_BYTES:
        raise MetadataTooLargeError(f"metadata of {len(body)} bytes; at most {MAX_METADATA_BYTES}")
    return body


def _request_digest(request: JobRequest) -> bytes:
    return digest(canonical_bytes(msgspec.structs.replace(request, idempotency_key=None)))
