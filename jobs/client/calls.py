"""Every call as a flow that yields what is to be sent or waited for, and knows nothing of who does that."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import msgspec

from jobs.client.answers import Bulk, BulkItem, Page, PlatformRefusedError, Problem, RemoteJob, UploadedFile
from jobs.client.files import File, Source, UploadBody, form, opened

BULK_JOBS = 10_000
WAIT_S = 30.0
JOBS = "/api/v1/jobs"
JSON = {"Content-Type": "application/json"}
_AGAIN = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried, and the pauses between: full jitter, at least what the platform asks for."""

    tries: int = 6
    base_s: float = 0.2
    cap_s: float = 20.0

    def pause_s(self, tries: int, asked_s: float) -> float:
        """Return the seconds to wait after `tries` of them."""
        return asked_s + random.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** min(tries, 32)))  # noqa: S311  # jitter


@dataclass(frozen=True, slots=True)
class Send:
    """A request that is to be sent; a flow goes on with its answer, or with the error of the way there."""

    method: str
    url: str
    content: bytes | UploadBody | None = None
    headers: Mapping[str, str] | None = None

    @property
    def only_once(self) -> bool:
        """Say whether what it sends is gone once it was read."""
        return isinstance(self.content, UploadBody) and self.content.size is None


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds that are to pass."""

    seconds: float


Answer = TypeVar("Answer")
Files = Mapping[str, File | Source]
NO_FILES: Files = MappingProxyType({})
Heard = httpx.Response | httpx.TransportError | None
Flow = Generator[Send | Pause, Heard, Answer]


class Calls:
    """The API's calls, tried again as `patience` has it."""

    def __init__(self, patience: Patience) -> None:
        """Prepare calls."""
        self._patience = patience

    def submit(
        self, request: Mapping[str, Any], files: Files, *, key: str | None, wait_s: int
    ) -> Flow[RemoteJob]:
        """Submit one job, and the files that go with it."""
        headers = {"Idempotency-Key": key or uuid4().hex}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        job = msgspec.json.encode(request)
        if not files:
            return (yield from self._job(Send("POST", JOBS, job, {**headers, **JSON})))
        with form(job, files) as body:
            return (yield from self._job(Send("POST", JOBS, body, headers | body.headers)))

    def upload(self, file: File) -> Flow[UploadedFile]:
        """Upload a file."""
        with opened(file) as body:
            told = yield from self._ask(Send("POST", "/api/v1/uploads", body, body.headers))
            return msgspec.json.decode(told, type=UploadedFile)

    def submit_many(
        self, requests: Iterable[Mapping[str, Any]], *, key: str | None = None
    ) -> Flow[list[BulkItem]]:
        """Submit many jobs, so many a call as the API takes; the calls' keys are `key` and their number."""
        told, key = list[BulkItem](), key or uuid4().hex
        for number, chunk in enumerate(_chunks(requests)):
            told += yield from self._bulk(chunk, f"{key}/{number}", len(told))
        return told

    def get(self, job_id: UUID | str) -> Flow[RemoteJob]:
        """Read a job."""
        return self._job(Send("GET", f"/api/v1/jobs/{job_id}"))

    def page(self, filters: Mapping[str, Any], cursor: UUID | None) -> Flow[Page]:
        """Read a page of jobs."""
        asked = {**filters, **({"cursor": cursor} if cursor else {})}
        url = httpx.URL(JOBS, params={name: str(value) for name, value in asked.items()})
        return msgspec.json.decode((yield from self._ask(Send("GET", str(url)))), type=Page)

    def act(self, job_id: UUID | str, verb: str) -> Flow[RemoteJob]:
        """Cancel or replay a job."""
        return self._job(Send("POST", f"/api/v1/jobs/{job_id}/{verb}"))

    def wait(self, job: RemoteJob | UUID | str, timeout_s: float | None) -> Flow[RemoteJob]:
        """Wait for a job's end."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        job = job if isinstance(job, RemoteJob) else (yield from self.get(job))
        while not job.ended:
            left_s = WAIT_S if deadline is None else min(WAIT_S, deadline - time.monotonic())
            if left_s <= 0:
                raise TimeoutError(f"job {job.id} is still {job.state}")
            url = job.urls.wait.partition("?")[0]
            job = yield from self._job(Send("GET", f"{url}?wait={left_s:.3f}"))
        return job

    def _bulk(self, requests: Sequence[Mapping[str, Any]], key: str, before: int) -> Flow[list[BulkItem]]:
        headers = {"Idempotency-Key": key, "Content-Type": "application/x-ndjson"}
        body = b"\n".join(map(msgspec.json.encode, requests))
        told = yield from self._ask(Send("POST", "/api/v1/jobs/bulk", body, headers))
        items = msgspec.json.decode(told, type=Bulk).jobs
        return [msgspec.structs.replace(item, index=item.index + before) for item in items]

    def _job(self, send: Send) -> Flow[RemoteJob]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteJob)

    def _ask(self, send: Send) -> Flow[bytes]:
        for tries in count(1):
            heard = yield send
            if isinstance(heard, httpx.Response) and heard.is_success:
                return heard.content
            asked_s = _asked_pause_s(heard, last=send.only_once or tries >= self._patience.tries)
            yield Pause(self._patience.pause_s(tries, asked_s))
        raise AssertionError  # `count` never ends


def problem_of(answer: httpx.Response) -> Problem:
    """Return what an answer says is wrong, in whatever form."""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(answer.content, type=Problem)
    return Problem(status=answer.status_code, title=answer.reason_phrase, detail=answer.text[:300])


def _asked_pause_s(heard: Heard, *, last: bool) -> float:
    """Return how long the platform asks to wait; raises where the call is not to be tried again."""
    if isinstance(heard, httpx.Response):
        if last or heard.status_code not in _AGAIN:
            raise PlatformRefusedError(problem_of(heard))
        with suppress(ValueError):
            return max(0.0, float(heard.headers.get("Retry-After", "0")))
    elif last and heard is not None:
        raise heard
    return 0.0


def _chunks(requests: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    left = iter(requests)
    while chunk := list(islice(left, BULK_JOBS)):
        yield chunk
