"""The calls of the API that a load test makes, and what their answers say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ssl import SSLCertVerificationError
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec

from jobs.core.loadtest.load_plan import PlannedCall, PlannedJob
from jobs.management.loadtest.http_lines import LOST, ForeignHostError, Headers, HttpLines, HttpReply
from models_registry.core.refs import Ref

JOBS = "/api/v1/jobs"
PAGE = 200
FINAL_ERROR, BUSY = 500, 503
JobId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class UnreachableError(Exception):
    """The platform does not answer; the message says what happened."""


class UnusableTargetError(Exception):
    """The platform answers, but a load test cannot be made so; the message says why."""


class JobUrls(msgspec.Struct, frozen=True):
    """Where a job is read, waited for and followed."""

    self: str
    wait: str
    events: str = ""

    def of(self_, template_id: str, job_id: str) -> JobUrls:  # noqa: N805  # `self` is a field
        """Return the same addresses for another job."""
        return JobUrls(*(url.replace(template_id, job_id) for url in msgspec.structs.astuple(self_)))


class SeenJob(msgspec.Struct, frozen=True):
    """A job as the API shows it, as far as a load test needs it."""

    id: JobId
    state: str
    urls: JobUrls | None = None


class SeenProblem(msgspec.Struct, frozen=True):
    """Why the platform refused a job."""

    status: int = 0
    code: str = ""
    detail: str = ""


class SeenItem(msgspec.Struct, frozen=True):
    """The outcome of one job of a bulk call."""

    index: int = -1
    id: JobId = ""  # nothing of a job with a problem
    state: str = ""
    problem: SeenProblem | None = None


class SeenItems(msgspec.Struct, frozen=True):
    """The outcomes of a bulk call."""

    jobs: list[SeenItem]


class SeenPage(msgspec.Struct, frozen=True):
    """A page of jobs."""

    jobs: list[SeenJob]
    next_cursor: str | None = None


class _Version(msgspec.Struct, frozen=True):
    version: str
    aliases: tuple[str, ...] = ()
    example: Any = None


class PlatformCalls:
    """Makes requests and reads answers; each client app has a token."""

    def __init__(
        self, url: str, tokens: Sequence[str], lines: HttpLines, may_send: Callable[[str], bool]
    ) -> None:
        self.url, self.lines, self._may_send = url.rstrip("/"), lines, may_send
        self._auth: list[Headers] = [
            [("Authorization", f"Bearer {token}"), ("Accept", "application/json")] for token in tokens
        ]
        self._inputs: Mapping[str, Sequence[msgspec.Raw]] = {}
        self._numbers: dict[str, int] = {}
        self.callback_url = ""

    def use_inputs(self, inputs: Mapping[str, Sequence[msgspec.Raw]]) -> None:
        """Let the jobs of each model take these inputs in turn."""
        self._inputs = inputs

    async def submit(self, call: PlannedCall, *, bulk: bool) -> HttpReply:
        """Send a call; the errors of `HttpLines.ask`."""
        jobs = [self._body(job) for job in call.jobs]
        kind, body = "json", jobs[0]
        if bulk:
            kind, body = "x-ndjson", b"\n".join(jobs)
        headers = [
            *self._auth[call.client],
            ("Content-Type", f"application/{kind}"),
            ("Idempotency-Key", uuid4().hex),
        ]
        return await self.lines.ask("POST", f"{self.url}{JOBS}{'/bulk' if bulk else ''}", headers, body)

    async def get(self, url: str, client: int, *, limit_s: float = 60.0) -> HttpReply:
        """Read an address as a client app; the errors of `HttpLines.ask`, ForeignHostError."""
        if not self._may_send(url):
            raise ForeignHostError(url)
        return await self.lines.ask("GET", url, self._auth[client], limit_s=limit_s)

    async def example(self, model: str) -> Any:
        """Return the example input of the version that a ref names, None where it has none.

        UnreachableError, UnusableTargetError.
        """
        ref = Ref.parse(model)
        reply = await self._asked(f"{self.url}/api/v1/models/{ref.name}/versions")
        for version in msgspec.json.decode(reply.body, type=list[_Version]):
            if version.version == ref.version or ref.alias in version.aliases:
                return version.example
        raise UnusableTargetError(f"{self.url} has no {ref}")

    async def page(self, client: int, since: str, cursor: str | None) -> SeenPage:
        """Return a page of a client's jobs since a moment, newest first; the errors of `HttpLines.ask`."""
        more = f"&cursor={cursor}" if cursor else ""
        url = f"{self.url}{JOBS}?limit={PAGE}&created_after={since}{more}"
        return msgspec.json.decode((await self.get(url, client)).body, type=SeenPage)

    async def _asked(self, url: str) -> HttpReply:
        try:
            reply = await self.get(url, 0, limit_s=10.0)
        except LOST as error:
            raise UnreachableError(f"{self.url} does not answer: {_words(error)}") from error
        if reply.status >= FINAL_ERROR:
            raise UnreachableError(
                f"{self.url} answers {reply.status}: {reply.body[:200].decode(errors='replace')}"
            )
        if not reply.ok:
            raise UnusableTargetError(f"{self.url} answers {reply.status}: {problem_of_reply(reply).detail}")
        return reply

    def _body(self, job: PlannedJob) -> bytes:
        number = self._numbers[job.model] = self._numbers.get(job.model, -1) + 1
        inputs = self._inputs[job.model]
        body = {
            "model": job.model,
            "input": inputs[number % len(inputs)],
            "priority": job.priority,
            "deadline_s": job.deadline_s,
            "callback_url": self.callback_url or None,
        }
        return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def problem_of_reply(reply: HttpReply) -> SeenProblem:
    """Return the problem of an answer; one without a code where it is not in the API's form."""
    try:
        return msgspec.json.decode(reply.body, type=SeenProblem)
    except msgspec.MsgspecError:
        return SeenProblem(reply.status, "", reply.body[:200].decode(errors="replace"))


def reason_of(problem: SeenProblem) -> str:
    """Return the words by which equal refusals are counted."""
    return f"{problem.status} {problem.code}".strip()


def is_failure(reply: HttpReply) -> bool:
    """Return whether an answer says nothing about the job, such as a proxy's 502."""
    return reply.status >= FINAL_ERROR and reply.status != BUSY


def submitted_s(job_id: str) -> float:
    """Return the Unix time that a job's id holds: the platform's own clock."""
    return (UUID(job_id).int >> 80) / 1e3


def _words(error: BaseException) -> str:
    if isinstance(error, SSLCertVerificationError):
        why = f"its certificate is not trusted: {error.verify_message}"
        return f"{why} (--ca-file trusts an authority of your own)"
    return str(error) or type(error).__name__
