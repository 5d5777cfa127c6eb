"""Celery's result backend over the job tables: `AsyncResult(id).get()` returns the job's stored output.

    app = Celery(broker=…, backend="jobs.result_backend:JobBackend+postgresql://user:password@host/name")
    AsyncResult(job_id, app=app).get(timeout=30)

It reads; its only write is a revoke, which calls the cancel service under the name of the database's user and
the app. With `control="jobs.result_backend:JobControl"`, `AsyncResult(id).revoke()` does it; without, Celery
asks the workers, which refuse. DJANGO_SETTINGS_MODULE names the settings, whose database is the default where
the URL is left out. An app that uses it holds database
credentials, so it is for trusted apps, through a role of their own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

import django
import sqlalchemy as sa
from celery import states
from celery.app.control import Control
from celery.backends.database import DatabaseBackend
from django.apps import apps
from django.conf import settings
from django.db import connection

from inference_client.job_failed import JobFailedError
from jobs.core.errors import (
    JobNotFoundError,
    PayloadCorruptError,
    PayloadLostError,
    PlatformError,
    WrongStateError,
)
from jobs.core.job_error import REVOKED_CODE, error_of, for_caller
from jobs.core.payloads.job_keys import DataKeyName, JobIdentity
from jobs.core.payloads.keyring import Column
from jobs.core.states import CELERY_STATES, State
from jobs.db import connections
from jobs.db.address import parameters
from jobs.db.session_settings import Use
from jobs.payloads import vault
from jobs.payloads.wrapping.wrapping_key import WrappedDataKey


class JobBackend(DatabaseBackend):
    """Jobs as Celery results; only a revoke writes, so ordinary tasks store nothing."""

    def __init__(
        self,
        dburi: str | None = None,
        engine_options: dict[str, Any] | None = None,
        url: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not apps.ready:
            django.setup()
        url = url or dburi or kwargs["app"].conf.database_url or settings.INFERENCE.database_url
        super().__init__(engine_options=engine_options, url=url, **kwargs)

    def as_uri(self, include_password: bool = False) -> str:  # noqa: FBT001, FBT002  # Celery's signature
        """Return the address for a banner, without a password; Celery's own reads no URL with two hosts."""
        del include_password
        parts = parameters(self.url)
        return f"postgresql://{parts.get('user', '')}@{parts.get('host', '')}/{parts.get('dbname', '')}"

    def _create_tables(self) -> None:
        """Create nothing: migrations own the tables."""

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        """Return the job's meta; PENDING for an id that is no job's, as Celery does."""
        row = self._row(task_id)
        if row is None:
            return {"task_id": task_id, "status": states.PENDING, "result": None, "traceback": None}
        try:
            meta: dict[str, Any] = self.meta_from_decoded(self._meta_of(task_id, row))
        except (PayloadLostError, PayloadCorruptError) as error:
            return self.meta_from_decoded(_lost(task_id, error))  # type: ignore[no-any-return]  # a dict
        return meta

    def _meta_of(self, task_id: str, row: sa.Row[Any]) -> dict[str, Any]:
        return {
            "task_id": task_id,
            "status": CELERY_STATES[State(row.state)],
            "result": self._result_of(row),
            "traceback": None,  # operators read it in the admin
            "children": [],
            "date_done": row.finished_at,
            "queue": row.queue,
            "retries": max(row.attempts - 1, 0),
        }

    def _result_of(self, row: sa.Row[Any]) -> Any:
        status = CELERY_STATES[State(row.state)]
        if status == states.REVOKED:
            return _exception("TaskRevokedError", "celery.exceptions", _why_revoked(row))
        if status in states.EXCEPTION_STATES:
            message = for_caller(row.message or f"the last attempt failed: {row.error_code or 'no code'}")
            return _exception(
                JobFailedError.__name__, JobFailedError.__module__, message, row.error_kind, row.error_code
            )
        return self._decode_stored_result(_output(self.url, row)) if status == states.SUCCESS else None

    def _decode_stored_result(self, payload: Any) -> Any:
        """Decode canonical JSON and nothing else: never a pickle, nor kombu's `__type__` objects."""
        return None if payload is None else json.loads(payload)

    def _task_result_exists(self, task_id: str) -> bool:
        return self._row(task_id) is not None

    def _row(self, task_id: str) -> sa.Row[Any] | None:
        job_id = _uuid(task_id)
        if job_id is None:
            return None
        with _engine(self.url).connect() as connected:
            return connected.execute(_one_job(), {"job": job_id}).one_or_none()

    def _store_result(self, task_id: str, _result: Any, state: str, *_: Any, **__: Any) -> None:
        """Cancel the job for REVOKED; store nothing for any other state: only a settle does."""
        job_id = _uuid(task_id)
        if state == states.REVOKED and job_id is not None:
            _cancel(job_id, str(self.app.main or "celery"))

    def _forget(self, task_id: str) -> None:
        """Forget nothing: a job stays until retention deletes it."""

    def _cleanup(self) -> None:
        """Delete nothing: retention deletes jobs, not beat's nightly `celery.backend_cleanup`."""

    def _save_group(self, group_id: str, result: Any) -> None:
        raise NotImplementedError("jobs have no groups")

    def _restore_group(self, group_id: str) -> None:
        raise NotImplementedError("jobs have no groups")

    def _delete_group(self, group_id: str) -> None:
        raise NotImplementedError("jobs have no groups")

    def on_backend_retryable_error(self, _exc: Exception) -> None:
        """Close the pooled connections before Celery tries again."""
        _engine(self.url).dispose()


class JobControl(Control):
    """Celery's remote control, whose revoke cancels the job in the database instead of asking workers."""

    def revoke(self, task_id: str | Iterable[str], *_: Any, **__: Any) -> None:
        """Cancel one job or several; a job that runs is cancelled too."""
        for job in [task_id] if isinstance(task_id, str) else task_id:
            self.app.backend.mark_as_revoked(job, reason="revoked")


@cache
def _engine(url: str) -> sa.Engine:
    """Return the process's engine for `url`; a forked child opens connections of its own."""
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connections.connect_to(url, "result-backend", Use.READ),
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
    )
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


@cache
def _one_job() -> sa.Select[Any]:
    from jobs.db.tables import DEAD_LETTER, JOB, JOB_KEY, JOB_RESULT, VERSION

    job, result, dead, key, version = JOB.c, JOB_RESULT.c, DEAD_LETTER.c, JOB_KEY.c, VERSION.c
    columns = (job.id, job.state, job.queue, job.attempts, job.error_kind, job.error_code, job.finished_at)
    identity = (job.client_id, version.model_id, version.options["encrypt"].label("encrypt"))
    stored = (result.body, result.encoding, result.source, key.wrapped, key.answer, dead.message)
    joined = JOB.join(VERSION, version.id == job.version_id)
    for table in (JOB_RESULT, DEAD_LETTER, JOB_KEY):
        joined = joined.outerjoin(table, table.c.job_id == job.id)
    query = sa.select(*columns, *identity, *stored).select_from(joined)
    return query.where(job.id == sa.bindparam("job"))


class _DataKeyReads:
    """The data keys as the backend's role may read them."""

    def __init__(self, url: str) -> None:
        self._url = url

    def find(self, name: DataKeyName) -> WrappedDataKey | None:
        from jobs.db.tables import DATA_KEY

        key = DATA_KEY.c
        query = sa.select(key.wrapped, key.wrapped_by).where(
            key.client_id == name.client, key.month == name.month
        )
        with _engine(self._url).connect() as connected:
            row = connected.execute(query).one_or_none()
        return None if row is None else WrappedDataKey(bytes(row.wrapped), row.wrapped_by)

    def add(self, name: DataKeyName, row: WrappedDataKey) -> WrappedDataKey:
        raise NotImplementedError("the backend only reads")


@cache
def _data_key_reads(url: str) -> _DataKeyReads:
    return _DataKeyReads(url)


def _why_revoked(row: sa.Row[Any]) -> str:
    error = error_of(row.state, kind=row.error_kind, code=row.error_code, message="", reason="")
    return f"{row.state}: {error.detail}" if error else str(row.state)


def _output(url: str, row: sa.Row[Any]) -> bytes | None:
    """Return a job's result; PayloadUnreadableError where it is encrypted and this app has no key."""
    from jobs.core.payloads.stored_output import output_json
    from jobs.payloads.claim_check import load_plain
    from jobs.payloads.job_seal import JobSeal

    if row.body is None:
        return None
    seal = JobSeal(
        JobIdentity(row.id, row.client_id, row.model_id),
        row.wrapped,
        row.answer,
        encrypts=row.encrypt is True,
        run=row.source,
        keys=vault.data_keys_in(_data_key_reads(url)),
    )
    return output_json(load_plain(row.body, row.encoding, seal, Column.RESULT))


def _uuid(task_id: str) -> UUID | None:
    try:
        return UUID(str(task_id))
    except ValueError:
        return None


def _lost(task_id: str, error: PlatformError) -> dict[str, Any]:
    result = _exception(
        JobFailedError.__name__, JobFailedError.__module__, str(error), "internal", error.code
    )
    return {"task_id": task_id, "status": states.FAILURE, "result": result, "traceback": None}


def _failed(*arguments: str) -> dict[str, Any]:
    return _exception(JobFailedError.__name__, JobFailedError.__module__, *arguments)


def _exception(name: str, module: str, *arguments: str) -> dict[str, Any]:
    return {"exc_type": name, "exc_module": module, "exc_message": list(arguments)}


def _cancel(job_id: UUID, app: str) -> None:
    from jobs.services.access.database_user import database_user
    from jobs.services.lifecycle.cancel import cancel_job

    try:
        cancel_job(job_id=job_id, actor=f"celery:{database_user()}:{app}", code=REVOKED_CODE)
    except (JobNotFoundError, WrongStateError):
        pass  # as in Celery, a revoke of what has ended or never was is no error
    finally:
        if not connection.in_atomic_block:
            connection.close()  # a worker's thread keeps no connection open
