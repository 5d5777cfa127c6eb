"""The responses of the API as typed values."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

TERMINAL = frozenset({"succeeded", "dead", "cancelled", "expired"})


class JobError(msgspec.Struct, frozen=True):
    """Why a job is dead, cancelled or expired; `reason` is why a dead one had no further attempt."""

    kind: str
    code: str
    detail: str
    reason: str = ""


class Urls(msgspec.Struct, frozen=True):
    """The URLs to read, wait for, cancel and follow a job."""

    self: str
    wait: str
    cancel: str
    events: str = ""


class OutputBytes(msgspec.Struct, frozen=True):
    """An output as bytes of a media type; with `dtype` and `shape` in `meta`, they are an array."""

    body: bytes
    media_type: str
    meta: dict[str, Any]

    def array(self) -> Any:
        """Return the array, for which numpy has to be installed; ValueError where the bytes are none."""
        if "dtype" not in self.meta:
            raise ValueError(f"the output is {self.media_type} and no array")
        import numpy as np

        dtype = np.dtype(self.meta["dtype"]).newbyteorder("<")
        return np.frombuffer(self.body, dtype).reshape(self.meta["shape"])


class _Base64(msgspec.Struct, frozen=True):
    media_type: str
    meta: dict[str, Any]
    base64: bytes  # msgspec decodes it


class RemoteJob(msgspec.Struct, frozen=True):
    """A job as the API shows it; `output` is set once it succeeded, `error` once it ended without one.

    `cached_from` is the identical job that produced the output, if the job itself did not run. Of a job in a
    cascade `step` is the step that it is in or ended with, and `degraded` says that a later step was due, but
    could not answer.
    """

    id: UUID
    state: str
    model: str
    version: str
    attempts: int
    created_at: datetime
    urls: Urls
    queue_position: int | None = None
    eta_s: float | None = None
    eta_unknown: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metadata: dict[str, Any] | None = None
    payload_expired: bool = False
    cached_from: UUID | None = None
    output: Any = None
    error: JobError | None = None
    degraded: bool = False
    step: int | None = None

    @property
    def ended(self) -> bool:
        """Return whether the job is in a final state."""
        return self.state in TERMINAL

    def output_bytes(self) -> OutputBytes:
        """Return the output of a job that was submitted with `encoding="base64"`, `"raw"` or `"npy"`.

        ValueError where the output is not in base64: the client's `output_bytes` asks for any job's bytes.
        """
        try:
            output = msgspec.convert(self.output, _Base64)
        except msgspec.ValidationError:
            raise ValueError("the job's output is not in base64") from None
        return OutputBytes(output.base64, output.media_type, output.meta)


class PassedStage(msgspec.Struct, frozen=True):
    """A stage that a job passed, or is in: then it is `open`, and `seconds` are those so far."""

    stage: str
    begin: datetime
    seconds: float
    open: bool
    sentence: str


class RanAttempt(msgspec.Struct, frozen=True):
    """An attempt at a job; `outcome` says how it ended, of the last one the job's state."""

    number: int
    outcome: str
    stages: list[PassedStage]
    code: str | None = None
    batch: UUID | None = None
    worker: str | None = None
    pruned: bool = False


class Timeline(msgspec.Struct, frozen=True):
    """Why a job took so long: the `cause` of its longest wait in a word, and explained in a sentence.

    The seconds of all stages add up to `seconds`. The cause is None where the platform does not know it any
    more.
    """

    id: UUID
    state: str
    created_at: datetime
    seconds: float
    explanation: str
    attempts: list[RanAttempt]
    finished_at: datetime | None = None
    cause: str | None = None
    leader: UUID | None = None
    pruned: bool = False


class RemoteAct(msgspec.Struct, frozen=True):
    """How far an act on many jobs is: of `total` that matched, `done`, and `failed` that had changed.

    A dry run has no `id`; its `more` says that more than `total` may match.
    """

    verb: str
    total: int
    done: int
    failed: int
    rate_per_s: float
    actor: str
    id: int | None = None
    state: str | None = None
    more: bool = False
    created_at: datetime | None = None
    ended_at: datetime | None = None


class Problem(msgspec.Struct, frozen=True):
    """Why the API refused a request (RFC 9457); `code` is stable."""

    status: int = 0
    code: str = ""
    detail: str = ""
    title: str = ""
    retry_after_s: float | None = None
    rollout: int | None = None  # of `rollout_conflict`: the live one


class BulkItem(msgspec.Struct, frozen=True):
    """The outcome of one job of a bulk call or a stream: an id and a state, or a problem.

    The `index` is its place; -1 for a problem of the stream itself.
    """

    index: int = -1
    id: UUID | None = None
    state: str | None = None
    cached_from: UUID | None = None
    problem: Problem | None = None


class JobEvent(msgspec.Struct, frozen=True):
    """One server-sent event of a job or a roll-out: its name, its id and its JSON."""

    name: str
    id: str
    data: Any


class UploadedFile(msgspec.Struct, frozen=True):
    """A file that the platform keeps until it expires."""

    id: UUID
    size: int
    sha256: str
    content_type: str
    expires_at: datetime

    @property
    def ref(self) -> dict[str, str]:
        """Return the reference to the file for a job's input."""
        return {"$upload": str(self.id)}


class RegisteredVersion(msgspec.Struct, frozen=True):
    """A version of a model as the platform keeps it; the schemas that were not given are derived."""

    model: str
    version: str
    loader: str
    sha256: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    max_batch: int
    created_at: datetime
    example: Any = None
    source: str = ""
    origin: dict[str, Any] | None = None
    aliases: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """Return the name of the version for `submit`, because no alias moves to it by itself."""
        return f"{self.model}:{self.version}"


class Bulk(msgspec.Struct, frozen=True):
    """The outcomes of a bulk call."""

    jobs: list[BulkItem]


class Page(msgspec.Struct, frozen=True):
    """A page of the caller's jobs, and the cursor of the next page."""

    jobs: list[RemoteJob]
    next_cursor: UUID | None = None


class PlatformRefusedError(Exception):
    """The platform refused a call; `problem` says why, and its operators find the call by `request_id`."""

    def __init__(self, problem: Problem, request_id: str = "") -> None:
        words = f"{problem.status} {problem.code}: {problem.detail or problem.title}"
        super().__init__(f"{words} (request {request_id})" if request_id else words)
        self.problem, self.request_id = problem, request_id


class JobsRefusedError(Exception):
    """Jobs of a stream were refused: `count` of them; `problems` are those of the first ones."""

    MOST = 100

    def __init__(self) -> None:
        self.count, self.problems = 0, list[Problem]()

    def __str__(self) -> str:
        first = "; ".join(
            f"{problem.status} {problem.code}: {problem.detail}" for problem in self.problems[:3]
        )
        return f"{self.count} jobs were refused: {first}"

    def add(self, problem: Problem) -> None:
        """Note the problem of one job."""
        self.count += 1
        if self.count <= self.MOST:
            self.problems.append(problem)
