"""The client for threads: `with Client(url, token) as client`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, Self
from uuid import UUID

import httpx

from jobs.client.answers import BulkItem, JobEvent, RemoteJob, UploadedFile
from jobs.client.calls import NO_FILES, Answer, Calls, Files, Flow, Heard, Patience, Pause, Send
from jobs.client.events import Following
from jobs.client.files import OCTETS, File, Source


class Client:
    """The platform, for threads; options of a submit are the API's own, by their names."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: Patience | None = None,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Talk to the REST API at `url` with a bearer token; `timeout_s` is one answer's."""
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout_s, trust_env=False, transport=transport
        )
        self._patience = patience or Patience()
        self._calls = Calls(self._patience)

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
        wait_s: int = 0,
        **options: Any,
    ) -> RemoteJob:
        """Submit a job, and wait up to `wait_s` for its end; PlatformRefusedError where it is not taken.

        `files` go along by name: the input refers to each as `part(name)`, and a repeat sends them again.
        """
        request = {"model": model, "input": value, **options}
        return self._do(self._calls.submit(request, files, key=idempotency_key, wait_s=wait_s))

    def upload(self, source: Source, *, content_type: str = OCTETS) -> UploadedFile:
        """Send a file ahead of the jobs that refer to it, by the answer's `ref` anywhere in their inputs.

        A file that is open for bytes is sent from where it stands; one that cannot seek only once.
        Where an answer was lost, the repeat keeps the file a second time: the first, whose id nobody knows,
        is forgotten after a day, but a quota of bytes has paid for both.
        """
        return self._do(self._calls.upload(File(source, content_type)))

    def submit_many(
        self, requests: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Sequence[BulkItem]:
        """Submit many jobs, each as the API describes one; return what became of each, in order."""
        return self._do(self._calls.submit_many(requests, key=idempotency_key))

    def get(self, job_id: UUID | str) -> RemoteJob:
        """Return a job as it stands."""
        return self._do(self._calls.get(job_id))

    def list(self, **filters: Any) -> Iterator[RemoteJob]:
        """Yield the caller's jobs, newest first; filters are the API's own, by their names."""
        cursor: UUID | None = None
        while True:
            page = self._do(self._calls.page(filters, cursor))
            yield from page.jobs
            if (cursor := page.next_cursor) is None:
                return

    def wait(self, job: RemoteJob | UUID | str, *, timeout_s: float | None = None) -> RemoteJob:
        """Return a job once it has ended, however it did; TimeoutError after `timeout_s`."""
        return self._do(self._calls.wait(job, timeout_s))

    def cancel(self, job_id: UUID | str) -> RemoteJob:
        """Cancel a job that has not ended, and return it."""
        return self._do(self._calls.act(job_id, "cancel"))

    def replay(self, job_id: UUID | str) -> RemoteJob:
        """Queue a dead, cancelled or expired job again, and return it."""
        return self._do(self._calls.act(job_id, "replay"))

    def stream(self, job: RemoteJob | UUID | str) -> Iterator[JobEvent]:
        """Yield a job's events until the one that ends it; a lost connection is taken up where it broke."""
        following = Following((job if isinstance(job, RemoteJob) else self.get(job)).urls.events)
        while not following.ended:
            yield from self._connection(following)
            if not following.ended:
                time.sleep(self._patience.pause_s(1, 0.0))

    def _connection(self, following: Following) -> Iterator[JobEvent]:
        with suppress(httpx.TransportError):
            answer = self._http.send(following.request(self._http), stream=True)
            try:
                yield from following.read(answer)
            finally:
                answer.close()

    def _do(self, flow: Flow[Answer]) -> Answer:
        heard: Heard = None
        with closing(flow):  # and with it the files that it has open
            while True:
                try:
                    step = flow.send(heard)
                except StopIteration as end:
                    answer: Answer = end.value
                    return answer
                heard = self._step(step)

    def _step(self, step: Send | Pause) -> Heard:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.request(step.method, step.url, content=step.content, headers=step.headers)
        except httpx.TransportError as error:
            return error
