"""A job as the API shows it, and the statements that read it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from django.conf import settings

from jobs.core.cascades.mark import LEAST_MARKED
from jobs.core.errors import (
    JobErasedError,
    JobNotFoundError,
    PayloadUnavailableError,
    PayloadUnreadableError,
)
from jobs.core.job_error import EndError, error_of
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import PLAIN, Column
from jobs.core.payloads.pointer import is_pointer, pointer_of
from jobs.core.payloads.stored_output import (
    JSON_TIMES,
    ShownBytes,
    is_bytes,
    is_slow_as_json,
    shown_output,
)
from jobs.core.states import TERMINAL, State
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.claim_check import load_plain
from jobs.payloads.job_seal import JobSeal
from models_registry.core.output import OCTETS

log = logging.getLogger(__name__)
SUGGESTED_WAIT_S = 30
View = dict[str, Any]


class ListedJob(msgspec.Struct, frozen=True):
    """A job in a list: all but its metadata, output and error."""

    id: UUID
    state: str
    model: str
    version: str
    attempts: int
    created_at: datetime
    priority: int
    max_attempts: int
    deadline: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class JobRow(ListedJob, frozen=True):
    """A job with its payloads as they are stored; `message` and `reason` are of its dead letter.

    `source` is the job whose run the output comes from, None for this job itself. `steps_ended` counts the
    steps that have ended of a job in a cascade, None of all others.
    """

    error_kind: str
    error_code: str
    epoch: int
    message: str | None
    reason: str | None
    expired: bool
    erased: bool
    input_encoding: str | None
    metadata: bytes | None
    source: UUID | None
    output_encoding: str | None
    output: bytes | None
    client: int
    model_id: int
    encrypts: bool
    wrapped: bytes | None
    answer: bytes | None
    output_form: str | None
    degraded: bool | None = None
    steps_ended: int | None = None

    @property
    def is_remote(self) -> bool:
        """Return whether the output, or a key that opens the payloads, may have to be fetched.

        So may JSON have to be made of many numbers: that too takes too long for the event loop.
        """
        if self.output is not None and is_slow_as_json(self.output):
            return True
        sealed = self.input_encoding not in {PLAIN, None} or self.output_encoding not in {PLAIN, None}
        return sealed or (self.output is not None and is_pointer(self.output))

    @property
    def seal(self) -> JobSeal:
        """Return what opens the job's payloads."""
        identity = JobIdentity(self.id, self.client, self.model_id)
        return JobSeal(identity, self.wrapped, self.answer, encrypts=self.encrypts, run=self.source)

    @property
    def output_size(self) -> int:
        """Return how many bytes the output has as it is stored; those of an array, as JSON."""
        if self.output is None:
            return 0
        if not is_pointer(self.output):
            return len(self.output) * (JSON_TIMES if is_bytes(self.output) else 1)
        pointer = pointer_of(self.output)
        return pointer.size * (JSON_TIMES if pointer.content_type == OCTETS else 1)


LISTED_COLUMNS: LiteralString = """
j.id, j.state, j.queue AS model, v.version, j.attempts, j.created_at, j.priority, j.max_attempts, j.deadline,
j.started_at, j.finished_at
"""
# The parameter `client` is None where any client's job may be read.
OF_CLIENT: LiteralString = "(%(client)s::bigint IS NULL OR j.client_id = %(client)s)"
# Whether the version encrypts, in a statement that joins it as `v`.
ENCRYPTS: LiteralString = "COALESCE(v.options->'encrypt' = 'true', false)"
# The keys of a sealed job: no other has any, so none is looked for.
_KEYS: LiteralString = """
LEFT JOIN LATERAL (
  SELECT wrapped, answer FROM jobs_jobkey
  WHERE job_id = j.id AND COALESCE(r.encoding, i.encoding, 'identity') <> 'identity' LIMIT 1
) k ON true
"""
_INPUT: LiteralString = "SELECT encoding, metadata, output_form, variant FROM jobs_jobinput WHERE job_id"
_RESULT: LiteralString = "SELECT source, encoding, body, degraded FROM jobs_jobresult WHERE job_id"
STEPS_ENDED: LiteralString = """
(SELECT number FROM jobs_step WHERE job_id = j.id ORDER BY epoch DESC LIMIT 1)
"""
_JOB: LiteralString = f"""
SELECT {LISTED_COLUMNS}, j.error_kind, j.error_code, j.epoch, d.message, d.reason,
  i.encoding IS NULL AS expired, j.erased_at IS NOT NULL AS erased, i.encoding AS input_encoding, i.metadata,
  r.source, r.encoding AS output_encoding, r.body AS output, j.client_id AS client, v.model_id,
  {ENCRYPTS} AS encrypts, k.wrapped, k.answer, i.output_form,
  r.degraded, CASE WHEN i.variant >= {LEAST_MARKED} THEN COALESCE({STEPS_ENDED}, 0) END AS steps_ended
FROM jobs_job j JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN jobs_deadletter d ON d.job_id = j.id AND j.state = 'dead'
"""  # noqa: S608  # built from our own constants
# LIMIT 1 tells the planner that one partition holds the row. Without it the generic plan looks as dear as a
# search of all partitions, and Postgres plans each call again instead of keeping it.
ONE_JOB = Statement(
    f"""{_JOB}
LEFT JOIN LATERAL ({_INPUT} = %(id)s LIMIT 1) i ON true
LEFT JOIN LATERAL ({_RESULT} = %(id)s LIMIT 1) r ON j.state = 'succeeded'
{_KEYS}
WHERE j.id = %(id)s AND {OF_CLIENT}
""",
    JobRow,
)
# BETWEEN the first and the last id leaves out the partitions of all other days, whatever the plan.
_ONE_OF_THESE: LiteralString = "= j.id AND job_id BETWEEN %(first)s AND %(last)s LIMIT 1"
ENDED_JOBS = Statement(
    f"""{_JOB}
LEFT JOIN LATERAL ({_INPUT} {_ONE_OF_THESE}) i ON true
LEFT JOIN LATERAL ({_RESULT} {_ONE_OF_THESE}) r ON j.state = 'succeeded'
{_KEYS}
WHERE j.id = ANY(%(ids)s) AND j.state = ANY(%(terminal)s)
""",
    JobRow,
)


def job_view(job_id: UUID, *, client_id: int | None) -> View | None:
    """Return a job (of `client_id`, if given) with its output or error, or None where there is none.

    JobErasedError where it was erased.
    """
    row = job_row(job_id, client_id=client_id)
    return None if row is None else view_of(row)


def job_row(job_id: UUID, *, client_id: int | None) -> JobRow | None:
    """Return the row of a job (of `client_id`, if given), or None where there is none; JobErasedError."""
    rows = fetch_all(ONE_JOB, {"id": job_id, "client": client_id})
    return only(rows) if rows else None


def only(rows: Sequence[JobRow]) -> JobRow:
    """Return the row that ONE_JOB read; JobNotFoundError, or JobErasedError for a tombstone."""
    if not rows:
        raise JobNotFoundError
    if rows[0].erased:
        raise JobErasedError
    return rows[0]


def view_of(row: JobRow) -> View:
    """Return the view of one job; PayloadUnavailableError where its payloads can only be read later."""
    view = listed_view(row)
    view["payload_expired"] = row.expired
    seal = row.seal
    view["metadata"] = _load(view, row.metadata, row.input_encoding, seal, Column.METADATA)
    view["cached_from"] = row.source
    if row.state == State.SUCCEEDED:
        output = _load(view, row.output, row.output_encoding, seal, Column.RESULT, row.output_form)
        view |= {"output": output} if output is not None else {}
        view |= {"degraded": True} if row.degraded else {}
    if row.steps_ended is not None:
        view["step"] = step_of(row.steps_ended, row.state)
    if error := _error(row):
        view["error"] = error._asdict()
    return view


def step_of(ended: int, state: str) -> int:
    """Return the number of the cascade's step that a job is in or ended with, given how many have ended."""
    return max(ended, 1) if state in TERMINAL else ended + 1


def _error(row: JobRow) -> EndError | None:
    kind, code = row.error_kind, row.error_code
    return error_of(row.state, kind=kind, code=code, message=row.message or "", reason=row.reason or "")


def _load(
    view: View,
    stored: bytes | None,
    encoding: str | None,
    seal: JobSeal,
    column: Column,
    form: str | None = None,
) -> msgspec.Raw | ShownBytes | None:
    """Return a payload in clear; where it is lost for good return None and say why in the view's error.

    PayloadUnavailableError where it can be read later.
    """
    if stored is None or encoding is None:
        return None
    try:
        return shown_output(load_plain(stored, encoding, seal, column), form)
    except PayloadUnavailableError:
        raise
    except PayloadUnreadableError as error:
        log.error("job %s: %s", view["id"], error)  # noqa: TRY400  # a traceback would say nothing more
        view["error"] = {"kind": "internal", "code": error.code, "detail": str(error), "reason": ""}
        return None


def listed_view(job: ListedJob) -> View:
    """Return the view of a job in a list."""
    view = brief_view(job.id, job.state, job.model, job.version, job.attempts, job.created_at)
    view["priority"] = job.priority
    view["max_attempts"] = job.max_attempts
    view["deadline"] = job.deadline
    view["started_at"] = job.started_at
    view["finished_at"] = job.finished_at
    return view


def brief_view(
    job_id: UUID, state: str, model: str, version: str, attempts: int, created_at: datetime
) -> View:
    """Return the view of an acknowledgement; queue position and ETA are null until they are estimated."""
    return {
        "id": job_id,
        "state": state,
        "model": model,
        "version": version,
        "attempts": attempts,
        "created_at": created_at,
        "queue_position": None,
        "eta_s": None,
        "eta_unknown": None,
        "urls": urls(job_id),
    }


def urls(job_id: UUID) -> dict[str, str]:
    """Return the addresses at which a job is read at once, waited for, cancelled and followed."""
    api, stream = _bases()
    path = f"/{job_id}"
    return {
        "self": api + path,
        "wait": f"{stream}{path}?wait={SUGGESTED_WAIT_S}",
        "cancel": f"{api}{path}/cancel",
        "events": f"{stream}{path}/events",
    }


@cache
def _bases() -> tuple[str, str]:
    config = settings.INFERENCE
    return f"{config.api_url}/api/v1/jobs", f"{config.stream_url}/api/v1/jobs"
