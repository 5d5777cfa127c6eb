"""Every call as a generator that yields requests and pauses; the clients for threads and asyncio run it."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from math import ceil
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import msgspec

from inference_client.answers import (
    Bulk,
    BulkItem,
    OutputBytes,
    Page,
    PlatformRefusedError,
    Problem,
    RegisteredVersion,
    RemoteAct,
    RemoteJob,
    Timeline,
    UploadedFile,
)
from inference_client.files import File, Source, UploadBody, form, upload_body
from inference_client.rules.ab_answers import FeedbackOutcomes, GivenFeedback, RemoteFeedbackOutcome, Value

BULK_JOBS = 10_000
FEEDBACK_ITEMS = 1_000
WAIT_S = 30.0
JOBS = "/api/v1/jobs"
BULK_ACTS = "/api/v1/bulk-acts"
JSON = {"Content-Type": "application/json"}
OCTETS = "application/octet-stream"
# A job that asks for bytes gets them from every call that does not ask for JSON.
ACCEPTED = "application/json"
RETRIED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried, and the pauses between: full jitter after the platform's `Retry-After`."""

    tries: int = 6
    base_s: float = 0.2
    cap_s: float = 20.0

    def pause_s(self, tries: int, retry_after_s: float) -> float:
        """Return the seconds to wait after `tries` failed tries."""
        return retry_after_s + random.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** min(tries, 32)))  # noqa: S311  # jitter


@dataclass(frozen=True, slots=True)
class Send:
    """A request to send; the generator goes on with the response, or with the transport's error."""

    method: str
    url: str
    content: bytes | UploadBody | None = None
    headers: Mapping[str, str] | None = None

    @property
    def only_once(self) -> bool:
        """Return whether the content can be read only once."""
        return isinstance(self.content, UploadBody) and self.content.size is None


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds to wait."""

    seconds: float


Answer = TypeVar("Answer")
Files = Mapping[str, File | Source]
NO_FILES: Files = MappingProxyType({})
Reply = httpx.Response | httpx.TransportError | None
Flow = Generator[Send | Pause, Reply, Answer]


class Calls:
    """The calls of the API, each tried again as `patience` allows."""

    def __init__(self, patience: Patience) -> None:
        """Prepare calls."""
        self._patience = patience

    def submit(
        self, request: Mapping[str, Any], files: Files, *, key: str | None, wait_s: float
    ) -> Flow[RemoteJob]:
        """Submit one job with its files."""
        headers = {"Idempotency-Key": key or uuid4().hex}
        if wait_s > 0:
            headers["Prefer"] = f"wait={ceil(wait_s)}"  # another form than whole seconds would be ignored
        job = msgspec.json.encode(request)
        if not files:
            return (yield from self._job(Send("POST", JOBS, job, {**headers, **JSON})))
        with form(job, files) as body:
            return (yield from self._job(Send("POST", JOBS, body, headers | body.headers)))

    def upload(self, file: File) -> Flow[UploadedFile]:
        """Upload a file."""
        with upload_body(file) as body:
            content = yield from self._ask(Send("POST", "/api/v1/uploads", body, body.headers))
            return msgspec.json.decode(content, type=UploadedFile)

    def register(self, name: str, file: File, contents: Mapping[str, Any]) -> Flow[RegisteredVersion]:
        """Upload the file of a model, and register a version of it."""
        uploaded = yield from self.upload(file)
        body = msgspec.json.encode({**contents, "upload": uploaded.id, "sha256": uploaded.sha256})
        url = f"/api/v1/models/{quote(name, safe='')}/versions"
        return msgspec.json.decode(
            (yield from self._ask(Send("POST", url, body, JSON))), type=RegisteredVersion
        )

    def submit_many(
        self, requests: Iterable[Mapping[str, Any]], *, key: str | None = None
    ) -> Flow[list[BulkItem]]:
        """Submit many jobs, as many in a call as the API allows; a call's key is `key` and its number."""
        items, key = list[BulkItem](), key or uuid4().hex
        for number, chunk in enumerate(_chunks(requests, BULK_JOBS)):
            items += yield from self._bulk(chunk, f"{key}/{number}", first_index=len(items))
        return items

    def get(self, job_id: UUID | str) -> Flow[RemoteJob]:
        """Read a job."""
        return self._job(Send("GET", f"/api/v1/jobs/{job_id}"))

    def output_bytes(self, job_id: UUID | str) -> Flow[OutputBytes]:
        """Read the output of a job as bytes."""
        reply = yield from self._reply(Send("GET", f"/api/v1/jobs/{job_id}", headers={"Accept": OCTETS}))
        if "Output-Meta" not in reply.headers:
            job = msgspec.json.decode(reply.content, type=RemoteJob)
            raise ValueError(f"job {job.id} is {job.state} and has no output")
        meta = msgspec.json.decode(reply.headers["Output-Meta"])
        return OutputBytes(reply.content, reply.headers["Content-Type"], meta)

    def page(self, filters: Mapping[str, Any], cursor: UUID | None) -> Flow[Page]:
        """Read a page of jobs."""
        query = {**filters, **({"cursor": cursor} if cursor else {})}
        url = httpx.URL(JOBS, params={name: str(value) for name, value in query.items()})
        return msgspec.json.decode((yield from self._ask(Send("GET", str(url)))), type=Page)

    def timeline(self, job_id: UUID | str) -> Flow[Timeline]:
        """Read a job's timeline."""
        return msgspec.json.decode(
            (yield from self._ask(Send("GET", f"{JOBS}/{job_id}/timeline"))), type=Timeline
        )

    def feedback(self, job_id: UUID | str, name: str, value: Value) -> Flow[GivenFeedback]:
        """Say one thing of a job."""
        body = msgspec.json.encode({"name": name, "value": value})
        content = yield from self._ask(Send("POST", f"{JOBS}/{job_id}/feedback", body, JSON))
        return msgspec.json.decode(content, type=GivenFeedback)

    def feedback_many(self, items: Iterable[Mapping[str, Any]]) -> Flow[list[RemoteFeedbackOutcome]]:
        """Say many things, as many in a call as the API allows."""
        outcomes = list[RemoteFeedbackOutcome]()
        for chunk in _chunks(items, FEEDBACK_ITEMS):
            body = msgspec.json.encode({"feedback": chunk})
            content = yield from self._ask(Send("POST", "/api/v1/feedback", body, JSON))
            first = len(outcomes)
            outcomes += [
                msgspec.structs.replace(outcome, index=outcome.index + first)
                for outcome in msgspec.json.decode(content, type=FeedbackOutcomes).feedback
            ]
        return outcomes

    def act(self, job_id: UUID | str, verb: str) -> Flow[RemoteJob]:
        """Cancel or replay a job."""
        return self._job(Send("POST", f"/api/v1/jobs/{job_id}/{verb}"))

    def replay(self, job_id: UUID | str, *, same_version: bool) -> Flow[RemoteJob]:
        """Replay a job, at its own version or at the one that the rule in force decides."""
        return self.act(job_id, "replay?same_version=true" if same_version else "replay")

    def act_on_matching(self, verb: str, contents: Mapping[str, Any], *, key: str | None) -> Flow[RemoteAct]:
        """Start an act on all jobs that match, or count them."""
        headers = {"Idempotency-Key": key or uuid4().hex, **JSON}
        body = msgspec.json.encode(contents)
        return self._bulk_act(Send("POST", f"{BULK_ACTS}/{verb}", body, headers))

    def bulk_act(self, act_id: int) -> Flow[RemoteAct]:
        """Read how far an act on many jobs is."""
        return self._bulk_act(Send("GET", f"{BULK_ACTS}/{act_id}"))

    def stop_bulk_act(self, act_id: int) -> Flow[RemoteAct]:
        """Stop an act on many jobs."""
        return self._bulk_act(Send("POST", f"{BULK_ACTS}/{act_id}/stop"))

    def _bulk_act(self, send: Send) -> Flow[RemoteAct]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteAct)

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

    def _bulk(
        self, requests: Sequence[Mapping[str, Any]], key: str, *, first_index: int
    ) -> Flow[list[BulkItem]]:
        headers = {"Idempotency-Key": key, "Content-Type": "application/x-ndjson"}
        body = b"\n".join(map(msgspec.json.encode, requests))
        content = yield from self._ask(Send("POST", "/api/v1/jobs/bulk", body, headers))
        items = msgspec.json.decode(content, type=Bulk).jobs
        return [msgspec.structs.replace(item, index=item.index + first_index) for item in items]

    def _job(self, send: Send) -> Flow[RemoteJob]:
        return msgspec.json.decode((yield from self._ask(send)), type=RemoteJob)

    def _ask(self, send: Send) -> Flow[bytes]:
        return (yield from self._reply(send)).content

    def _reply(self, send: Send) -> Flow[httpx.Response]:
        for tries in count(1):
            reply = yield send
            if isinstance(reply, httpx.Response) and reply.is_success:
                return reply
            retry_after_s = _retry_after_s(reply, last=send.only_once or tries >= self._patience.tries)
            yield Pause(self._patience.pause_s(tries, retry_after_s))
        raise AssertionError  # `count` never ends


def refusal_of(response: httpx.Response) -> PlatformRefusedError:
    """Return the error that a response which is no success stands for."""
    return PlatformRefusedError(problem_of(response), response.headers.get("X-Request-ID", ""))


def problem_of(response: httpx.Response) -> Problem:
    """Return the problem of a response, also where its body is not in the API's form."""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(response.content, type=Problem)
    return Problem(status=response.status_code, title=response.reason_phrase, detail=response.text[:300])


def _retry_after_s(reply: Reply, *, last: bool) -> float:
    """Return how long the platform asks to wait; raise if the call must not be tried again."""
    if isinstance(reply, httpx.Response):
        if last or reply.status_code not in RETRIED:
            raise refusal_of(reply)
        with suppress(ValueError):
            return max(0.0, float(reply.headers.get("Retry-After", "0")))
    elif last and reply is not None:
        raise reply
    return 0.0


def _chunks(items: Iterable[Mapping[str, Any]], most: int) -> Iterator[list[Mapping[str, Any]]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, most)):
        yield chunk
