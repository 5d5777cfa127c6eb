"""The client for asyncio: `async with AsyncClient(url, token) as client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any, Self
from uuid import UUID

import httpx

from inference_client.answers import (
    BulkItem,
    JobEvent,
    OutputBytes,
    RegisteredVersion,
    RemoteAct,
    RemoteJob,
    Timeline,
    UploadedFile,
)
from inference_client.backtest_clients import AsyncBacktests
from inference_client.calls import (
    ACCEPTED,
    NO_FILES,
    Answer,
    Calls,
    Files,
    Flow,
    Patience,
    Pause,
    Reply,
    Send,
)
from inference_client.calls_on_backtests import BacktestCalls
from inference_client.calls_on_rollouts import CascadeCalls, RolloutCalls, ShadowCalls
from inference_client.drift.drift_clients import AsyncDriftViews, DriftCalls
from inference_client.events import EventReader
from inference_client.files import OCTETS, File, Source, UploadBody
from inference_client.flags.calls_on_flags import FlagCalls
from inference_client.flags.flag_clients import AsyncFlags
from inference_client.model_file import Model, artifact_of
from inference_client.rollout_clients import AsyncRollouts
from inference_client.rules.ab_answers import GivenFeedback, RemoteFeedbackOutcome
from inference_client.rules.cascade_clients import AsyncCascades
from inference_client.rules.shadow_clients import AsyncShadows
from inference_client.submit_connection import submit_connection
from inference_client.submit_flow import SubmitFlow
from inference_client.submitting import WINDOW, AsyncSubmitting


class AsyncClient:
    """The platform's client for asyncio; options of a submit have the names of the API."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: Patience | None = None,
        timeout_s: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Use the REST API at `url` with a bearer token; `timeout_s` limits each response."""
        headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPTED}
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=timeout_s, trust_env=False, transport=transport
        )
        self._patience = patience or Patience()
        self._calls = Calls(self._patience)
        self.rollouts = AsyncRollouts(RolloutCalls(self._patience), self._do, self._follow)
        self.flags = AsyncFlags(FlagCalls(self._patience), self._do)
        self.backtests = AsyncBacktests(BacktestCalls(self._patience), self._do)
        self.cascades = AsyncCascades(CascadeCalls(self._patience), self._do)
        self.drift = AsyncDriftViews(DriftCalls(self._patience), self._do)
        self.shadows = AsyncShadows(ShadowCalls(self._patience), self._do)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(
        self,
        model: str,
        value: Any,
        *,
        files: Files = NO_FILES,
        idempotency_key: str | None = None,
        wait_s: float = 0,
        **options: Any,
    ) -> RemoteJob:
        """Submit a job, and wait up to `wait_s` for its end; PlatformRefusedError if it is refused.

        `files` are sent with it: the input refers to each as `part(name)`, and a repeat sends them again.
        """
        request = {"model": model, "input": value, **options}
        return await self._do(self._calls.submit(request, files, key=idempotency_key, wait_s=wait_s))

    async def upload(self, source: Source, *, content_type: str = OCTETS) -> UploadedFile:
        """Upload a file for later jobs, which refer to it by the `ref` of the returned value.

        An open binary file is sent from its current position, and only once if it cannot seek. After a lost
        response the repeat stores the file again: the first copy is deleted after a day, but both count
        against a quota of bytes.
        """
        return await self._do(self._calls.upload(File(source, content_type)))

    async def register(
        self,
        name: str,
        model: Model,
        *,
        version: str,
        example: Any = None,
        loader: str | None = None,
        **contents: Any,
    ) -> RegisteredVersion:
        """Register a version of a model: the path of its file, or a fitted scikit-learn estimator.

        The ending of a path names its loader, unless `loader` does. `contents` have the names of the API.
        The token needs the scopes `submit` and `register`. The same contents again return the stored version.
        PlatformRefusedError where the model does not load there, or is registered with other contents.
        """
        file, loader = artifact_of(model, loader)
        asked = {"version": version, "loader": loader, "example": example, **contents}
        return await self._do(self._calls.register(name, file, asked))

    async def submit_many(
        self, requests: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Sequence[BulkItem]:
        """Submit many jobs, each in the form of the API; return their outcomes in order."""
        return await self._do(self._calls.submit_many(requests, key=idempotency_key))

    def submitting(self, *, window: int = WINDOW) -> AsyncSubmitting:
        """Return a stream for many jobs, of which at most `window` are unanswered: then a submit waits.

        It sends again what a lost connection left unanswered, and what was refused for a time; at its end it
        waits for all answers.
        """
        connect = partial(submit_connection, self._http.base_url, dict(self._http.headers))
        return AsyncSubmitting(partial(SubmitFlow, connect, self._patience), window)

    async def get(self, job_id: UUID | str) -> RemoteJob:
        """Return the current state of a job."""
        return await self._do(self._calls.get(job_id))

    async def output_bytes(self, job_id: UUID | str) -> OutputBytes:
        """Return the output of a job as the model made it; its `array()` needs numpy.

        PlatformRefusedError (406) where the model returned JSON, ValueError where there is no output.
        """
        return await self._do(self._calls.output_bytes(job_id))

    async def list(self, **filters: Any) -> AsyncIterator[RemoteJob]:
        """Yield the caller's jobs, newest first; filters have the names of the API."""
        cursor: UUID | None = None
        while True:
            page = await self._do(self._calls.page(filters, cursor))
            for job in page.jobs:
                yield job
            if (cursor := page.next_cursor) is None:
                return

    async def wait(self, job: RemoteJob | UUID | str, *, timeout_s: float | None = None) -> RemoteJob:
        """Return a job once it is in a final state; TimeoutError after `timeout_s`."""
        return await self._do(self._calls.wait(job, timeout_s))

    async def timeline(self, job_id: UUID | str) -> Timeline:
        """Return what a job waited for, stage by stage, and the cause of its longest wait."""
        return await self._do(self._calls.timeline(job_id))

    async def feedback(self, job_id: UUID | str, name: str, value: float | str) -> GivenFeedback:
        """Say how good the answer of a job was, once for each name: a number, a boolean or a short text.

        PlatformRefusedError where the job has not ended, ended 30 days ago, or has another value.
        """
        return await self._do(self._calls.feedback(job_id, name, value))

    async def feedback_many(self, items: Iterable[Mapping[str, Any]]) -> Sequence[RemoteFeedbackOutcome]:
        """Say it of many jobs, each a `job`, a `name` and a `value`; return their outcomes in order."""
        return await self._do(self._calls.feedback_many(items))

    async def cancel(self, job_id: UUID | str) -> RemoteJob:
        """Cancel a job that has not ended, and return it."""
        return await self._do(self._calls.act(job_id, "cancel"))

    async def replay(self, job_id: UUID | str, *, same_version: bool = False) -> RemoteJob:
        """Queue a dead, cancelled or expired job again, and return it."""
        return await self._do(self._calls.replay(job_id, same_version=same_version))

    async def cancel_matching(self, *, idempotency_key: str | None = None, **filters: Any) -> RemoteAct:
        """Cancel all jobs that match, in the background; `dry_run=True` only counts them.

        `filters` and `rate_per_s` have the names of the API.
        """
        return await self._do(self._calls.act_on_matching("cancel", filters, key=idempotency_key))

    async def replay_matching(self, *, idempotency_key: str | None = None, **filters: Any) -> RemoteAct:
        """Queue all jobs that match again, in the background; `dry_run=True` only counts them."""
        return await self._do(self._calls.act_on_matching("replay", filters, key=idempotency_key))

    async def bulk_act(self, act_id: int) -> RemoteAct:
        """Return how far an act on many jobs is."""
        return await self._do(self._calls.bulk_act(act_id))

    async def stop_bulk_act(self, act_id: int) -> RemoteAct:
        """Stop an act on many jobs; what was done stays done."""
        return await self._do(self._calls.stop_bulk_act(act_id))

    async def stream(self, job: RemoteJob | UUID | str) -> AsyncIterator[JobEvent]:
        """Yield a job's events up to its end; after a lost connection go on with the next event."""
        job = job if isinstance(job, RemoteJob) else await self.get(job)
        async for event in self._follow(EventReader(job.urls.events)):
            yield event

    async def _follow(self, reader: EventReader) -> AsyncIterator[JobEvent]:
        while not reader.ended:
            async for event in self._connection(reader):
                yield event
            if not reader.ended:
                await asyncio.sleep(self._patience.pause_s(1, 0.0))

    async def _connection(self, reader: EventReader) -> AsyncIterator[JobEvent]:
        with suppress(httpx.TransportError):
            answer = await self._http.send(reader.request(self._http), stream=True)
            try:
                async for event in reader.aread(answer):
                    yield event
            finally:
                await answer.aclose()

    async def _do(self, flow: Flow[Answer]) -> Answer:
        reply: Reply = None
        with closing(flow):  # this also closes its files
            while True:
                try:
                    step = flow.send(reply)
                except StopIteration as end:
                    answer: Answer = end.value
                    return answer
                reply = await self._step(step)

    async def _step(self, step: Send | Pause) -> Reply:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        content = _pieces(step.content) if isinstance(step.content, UploadBody) else step.content
        try:
            return await self._http.request(step.method, step.url, content=content, headers=step.headers)
        except httpx.TransportError as error:
            return error


async def _pieces(body: UploadBody) -> AsyncIterator[bytes]:
    """Yield a body that threads read, because a slow disk must not block the event loop."""
    remaining = iter(body)
    while piece := await asyncio.to_thread(next, remaining, b""):
        yield piece
