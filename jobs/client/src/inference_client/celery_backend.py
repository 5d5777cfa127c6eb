"""Celery's result backend over the REST API, for apps that are given a token and no database.

    app = Celery(backend="inference_client.celery_backend:HttpBackend+https://:TOKEN@inference.example")
    AsyncResult(job_id, app=app).get(timeout=30)

The token may be the setting `inference_token` of the Celery app instead, which keeps it out of the URL. It
needs the scope `read`, and shows the jobs of its own client alone. It reads: `revoke` needs the broker, so
cancel by `inference_client.Client`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import httpx
from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import ImproperlyConfigured, TaskRevokedError
from celery.exceptions import TimeoutError as ResultTimeoutError

from inference_client.answers import JobError, PlatformRefusedError, RemoteJob
from inference_client.for_threads import Client
from inference_client.job_failed import JobFailedError

TURN_S = 5.0  # how often a caller's `on_interval` is called during a wait
CELERY_STATES = {
    "queued": states.PENDING,
    "running": states.STARTED,
    "waiting": states.RETRY,
    "succeeded": states.SUCCESS,
    "dead": states.FAILURE,
    "cancelled": states.REVOKED,
    "expired": states.REVOKED,
}
_NO_ERROR = JobError("", "", "")


class HttpBackend(BaseBackend):
    """Jobs as Celery results, read over HTTP; it stores nothing."""

    def __init__(
        self, app: Any, url: str | None = None, transport: httpx.BaseTransport | None = None, **kwargs: Any
    ) -> None:
        """Read from the API at `url`, whose password is the token; ImproperlyConfigured without either."""
        super().__init__(app=app, url=url, **kwargs)
        parts = urlsplit(url or "")
        self._token = unquote(parts.password or "") or app.conf.get("inference_token") or ""
        if parts.scheme not in {"http", "https"} or not parts.hostname or not self._token:
            raise ImproperlyConfigured(
                "HttpBackend needs an address and a token: +https://:TOKEN@HOST, or the token in the setting "
                "inference_token"
            )
        self._base = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._transport = transport

    def as_uri(self, include_password: bool = False) -> str:  # noqa: ARG002, FBT001, FBT002  # Celery's signature
        """Return the URL without the token."""
        return self._base

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,  # noqa: FBT001, FBT002  # Celery's signature
        on_interval: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Return the job's meta at its end, by long-polls; celery.exceptions.TimeoutError."""
        self._ensure_not_eager()
        deadline = None if timeout is None else monotonic() + timeout
        while (job := self._job(task_id)) is not None:
            left_s = TURN_S if deadline is None else min(TURN_S, deadline - monotonic())
            try:
                return self._meta(task_id, self._client.wait(job, timeout_s=max(left_s, 0.0)))
            except TimeoutError:
                if deadline is not None and monotonic() >= deadline:
                    raise ResultTimeoutError("The operation timed out.") from None
            if on_interval:
                on_interval()
        rest_s = None if deadline is None else max(deadline - monotonic(), 0.0)
        meta: dict[str, Any] = super().wait_for(task_id, rest_s, interval, no_ack, on_interval)
        return meta

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        """Return the job's meta; PENDING for an id that is no job of this token's client, as Celery does."""
        job = self._job(task_id)
        if job is None:
            return {"task_id": task_id, "status": states.PENDING, "result": None, "traceback": None}
        return self._meta(task_id, job)

    def _job(self, task_id: str) -> RemoteJob | None:
        try:
            return self._client.get(UUID(str(task_id)))
        except ValueError:  # not a job's id
            return None
        except PlatformRefusedError as error:
            if error.problem.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    @property
    def _client(self) -> Client:
        return _client(os.getpid(), self._base, self._token, self._transport)

    def _meta(self, task_id: str, job: RemoteJob) -> dict[str, Any]:
        status = CELERY_STATES[job.state]
        return {
            "task_id": task_id,
            "status": status,
            "result": _error(job) if status in states.EXCEPTION_STATES else job.output,
            "traceback": None,
            "children": [],
            "date_done": job.finished_at,
            "queue": job.model,
            "retries": max(job.attempts - 1, 0),
        }

    def _store_result(self, *_: Any, **__: Any) -> None:
        """Store nothing: only the platform does."""

    def _forget(self, task_id: str) -> None:
        """Forget nothing: a job stays until retention deletes it."""

    def cleanup(self) -> None:
        """Delete nothing."""


def _error(job: RemoteJob) -> Exception | None:
    error = job.error or _NO_ERROR
    status = CELERY_STATES[job.state]
    if status == states.REVOKED:
        revoked: Exception = TaskRevokedError(f"{job.state}: {error.detail}")
        return revoked
    return JobFailedError(error.detail, error.kind, error.code) if status == states.FAILURE else None


@cache
def _client(_pid: int, url: str, token: str, transport: httpx.BaseTransport | None) -> Client:
    """Return this process's client; a forked child opens connections of its own."""
    return Client(url, token, transport=transport)
