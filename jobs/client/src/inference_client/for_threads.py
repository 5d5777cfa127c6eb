"""The client for threads: `with Client(url, token) as client`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from inference_client.backtest_clients import Backtests
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
from inference_client.drift.drift_clients import DriftCalls, DriftViews
from inference_client.events import EventReader
from inference_client.files import OCTETS, File, Source
from inference_client.flags.calls_on_flags import FlagCalls
from inference_client.flags.flag_clients import Flags
from inference_client.model_file import Model, artifact_of
from inference_client.rollout_clients import Rollouts
from inference_client.rules.ab_answers import GivenFeedback, RemoteFeedbackOutcome
from inference_client.rules.cascade_clients import Cascades
from inference_client.rules.shadow_clients import Shadows
from inference_client.submit_connection import submit_connection
from inference_client.submit_flow import SubmitFlow
from inference_client.submitting import WINDOW, Submitting


class Client:
    """The platform's client for threads; options of a submit have the names of the API."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: Patience | None = None,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Use the REST API at `url` with a bearer token; `timeout_s` limits each response."""
        headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPTED}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout_s, trust_env=False, transport=transport
        )
        self._patience = patience or Patience()
        self._calls = Calls(self._patience)
        self.rollouts = Rollouts(RolloutCalls(self._patience), self._do, self._follow)
        self.flags = Flags(FlagCalls(self._patience), self._do)
        self.backtests = Backtests(BacktestCalls(self._patience), self._do)
        self.cascades = Cascades(CascadeCalls(self._patience), self._do)
        self.drift = DriftViews(DriftCalls(self._patience), self._do)
        self.shadows = Shadows(ShadowCalls(self._patience), self._do)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(
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
        return self._do(self._calls.submit(request, files, key=idempotency_key, wait_s=wait_s))

    def upload(self, source: Source, *, content_type: str = OCTETS) -> UploadedFile:
        """Upload a file for later jobs, which refer to it by the `ref` of the returned value.

        An open binary file is sent from its current position, and only once if it cannot seek. After a lost
        response the repeat stores the file again: the first copy is deleted after a day, but both count
        against a quota of bytes.
        """
        return self._do(self._calls.upload(File(source, content_type)))

    def register(
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
        return self._do(self._calls.register(name, file, asked))

    def submit_many(
        self, requests: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Sequence[BulkItem]:
        """Submit many jobs, each in the form of the API; return their outcomes in order."""
        return self._do(self._calls.submit_many(requests, key=idempotency_key))

    def submitting(self, *, window: int = WINDOW) -> Submitting:
        """Return a stream for many jobs, of which at most `window` are unanswered: then a submit waits.

        It sends again what a lost connection left unanswered, and what was refused for a time; at its end it
        waits for all answers.
        """
        connect = partial(submit_connection, self._http.base_url, dict(self._http.headers))
        return Submitting(partial(SubmitFlow, connect, self._patience), window)

    def get(self, job_id: UUID | str) -> RemoteJob:
        """Return the current state of a job."""
        return self._do(self._calls.get(job_id))

    def output_bytes(self, job_id: UUID | str) -> OutputBytes:
        """Return the output of a job as the model made it; its `array()` needs numpy.

        PlatformRefusedError (406) where the model returned JSON, ValueError where there is no output.
        """
        return self._do(self._calls.output_bytes(job_id))

    def list(self, **filters: Any) -> Iterator[RemoteJob]:
        """Yield the caller's jobs, newest first; filters have the names of the API."""
        cursor: UUID | None = None
        while True:
            page = self._do(self._calls.page(filters, cursor))
            yield from page.jobs
            if (cursor := page.next_cursor) is None:
                return

    def wait(self, job: RemoteJob | UUID | str, *, timeout_s: float | None = None) -> RemoteJob:
        """Return a job once it is in a final state; TimeoutError after `timeout_s`."""
        return self._do(self._calls.wait(job, timeout_s))

    def timeline(self, job_id: UUID | str) -> Timeline:
        """Return what a job waited for, stage by stage, and the cause of its longest wait."""
        return self._do(self._calls.timeline(job_id))

    def feedback(self, job_id: UUID | str, name: str, value: float | str) -> GivenFeedback:
        """Say how good the answer of a job was, once for each name: a number, a boolean or a short text.

        PlatformRefusedError where the job has not ended, ended 30 days ago, or has another value.
        """
        return self._do(self._calls.feedback(job_id, name, value))

    def feedback_many(self, items: Iterable[Mapping[str, Any]]) -> Sequence[RemoteFeedbackOutcome]:
        """Say it of many jobs, each a `job`, a `name` and a `value`; return their outcomes in order."""
        return self._do(self._calls.feedback_many(items))

    def cancel(self, job_id: UUID | str) -> RemoteJob:
        """Cancel a job that has not ended, and return it."""
        return self._do(self._calls.act(job_id, "cancel"))

    def replay(self, job_id: UUID | str, *, same_version: bool = False) -> RemoteJob:
        """Queue a dead, cancelled or expired job again, and return it."""
        return self._do(self._calls.replay(job_id, same_version=same_version))

    def cancel_matching(self, *, idempotency_key: str | None = None, **filters: Any) -> RemoteAct:
        """Cancel all jobs that match, in the background; `dry_run=True` only counts them.

        `filters` and `rate_per_s` have the names of the API.
        """
        return self._do(self._calls.act_on_matching("cancel", filters, key=idempotency_key))

    def replay_matching(self, *, idempotency_key: str | None = None, **filters: Any) -> RemoteAct:
        """Queue all jobs that match again, in the background; `dry_run=True` only counts them."""
        return self._do(self._calls.act_on_matching("replay", filters, key=idempotency_key))

    def bulk_act(self, act_id: int) -> RemoteAct:
        """Return how far an act on many jobs is."""
        return self._do(self._calls.bulk_act(act_id))

    def stop_bulk_act(self, act_id: int) -> RemoteAct:
        """Stop an act on many jobs; what was done stays done."""
        return self._do(self._calls.stop_bulk_act(act_id))

    def stream(self, job: RemoteJob | UUID | str) -> Iterator[JobEvent]:
        """Yield a job's events up to its end; after a lost connection go on with the next event."""
        yield from self._follow(
            EventReader((job if isinstance(job, RemoteJob) else self.get(job)).urls.events)
        )

    def _follow(self, reader: EventReader) -> Iterator[JobEvent]:
        while not reader.ended:
            yield from self._connection(reader)
            if not reader.ended:
                time.sleep(self._patience.pause_s(1, 0.0))

    def _connection(self, reader: EventReader) -> Iterator[JobEvent]:
        with suppress(httpx.TransportError):
            answer = self._http.send(reader.request(self._http), stream=True)
            try:
                yield from reader.read(answer)
            finally:
                answer.close()

    def _do(self, flow: Flow[Answer]) -> Answer:
        reply: Reply = None
        with closing(flow):  # this also closes its files
            while True:
                try:
                    step = flow.send(reply)
                except StopIteration as end:
                    answer: Answer = end.value
                    return answer
                reply = self._step(step)

    def _step(self, step: Send | Pause) -> Reply:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.request(step.method, step.url, content=step.content, headers=step.headers)
        except httpx.TransportError as error:
            return error
