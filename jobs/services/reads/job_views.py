"""A job as the API shows it, and the statements that read it."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import cache
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from django.conf import settings

from jobs.core.errors import PayloadUnavailableError, PayloadUnreadableError
from jobs.core.payloads.keyring import Column, Place
from jobs.core.payloads.pointer import is_pointer
from jobs.core.states import State
from jobs.db.positional import Row, fetch_all
from jobs.payloads.claim_check import load_plain

log = logging.getLogger(__name__)
SUGGESTED_WAIT_S = 30
LISTED: LiteralString = """
j.id, j.state, j.queue, v.version, j.attempts, j.created_at, j.priority, j.max_attempts, j.deadline,
j.started_at, j.finished_at, j.error_kind, j.error_code
"""
EPOCH_AT = 13  # its place in a row of the statements below
_INPUT: LiteralString = "SELECT encoding, metadata FROM jobs_jobinput WHERE job_id"
_RESULT: LiteralString = "SELECT source, encoding, body FROM jobs_jobresult WHERE job_id"
_WHOLE: LiteralString = f"""
SELECT {LISTED}, j.epoch, d.message, d.reason, i.encoding IS NULL, i.encoding, i.metadata, r.source,
  r.encoding, r.body
FROM jobs_job j JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN jobs_deadletter d ON d.job_id = j.id AND j.state = 'dead'
"""  # noqa: S608  # built from our own constants
OWN: LiteralString = "(%(client)s::bigint IS NULL OR j.client_id = %(client)s)"  # NULL: whoever's it is
# LIMIT 1 says that one partition has it: the plan for any id then looks as cheap as it is, and is kept.
ONE: LiteralString = f"""{_WHOLE}
LEFT JOIN LATERAL ({_INPUT} = %(id)s LIMIT 1) i ON true
LEFT JOIN LATERAL ({_RESULT} = %(id)s LIMIT 1) r ON j.state = 'succeeded'
WHERE j.id = %(id)s AND {OWN}
"""
_ANY: LiteralString = "= j.id AND job_id BETWEEN %(first)s AND %(last)s LIMIT 1"
ENDED: LiteralString = f"""{_WHOLE}
LEFT JOIN LATERAL ({_INPUT} {_ANY}) i ON true
LEFT JOIN LATERAL ({_RESULT} {_ANY}) r ON j.state = 'succeeded'
WHERE j.id = ANY(%(ids)s) AND j.state = ANY(%(terminal)s)
"""

View = dict[str, Any]


def job_view(job_id: UUID, *, client_id: int | None) -> View | None:
    """Return a job (of `client_id`, if given) with its output or error, or None where there is none."""
    rows = fetch_all(ONE, {"id": job_id, "client": client_id})
    return view_of(rows[0]) if rows else None


def view_of(row: Row) -> View:
    """Return the view of one row of `ONE`."""
    *_, message, reason, expired, asked_as, metadata, source, told_as, output = row
    view = listed_view(row)
    view["payload_expired"] = expired
    view["metadata"] = _opened(view, metadata, asked_as, Place(row[0], Column.METADATA))
    view["cached_from"] = source
    if row[1] == State.SUCCEEDED:
        told = _opened(view, output, told_as, Place(source or row[0], Column.RESULT))
        view |= {"output": told} if told is not None else {}
    if row[1] == State.DEAD:
        view["error"] = {"kind": row[11], "code": row[12], "detail": message or "", "reason": reason or ""}
    return view


def is_far(row: Row) -> bool:
    """Say whether `view_of` has to ask the storage for the output of a row."""
    return row[-1] is not None and is_pointer(row[-1])


def _opened(view: View, stored: bytes | None, encoding: str, place: Place) -> msgspec.Raw | None:
    """Return a payload; None where it cannot be read, which the view's error says: others are read on.

    PayloadUnavailableError where it may be read later.
    """
    if stored is None:
        return None
    try:
        return msgspec.Raw(load_plain(stored, encoding, place))
    except PayloadUnavailableError:
        raise
    except PayloadUnreadableError as error:
        log.error("job %s: %s", view["id"], error)  # noqa: TRY400  # how it came about says nothing more
        view["error"] = {"kind": "internal", "code": error.code, "detail": str(error), "reason": ""}
        return None


def listed_view(row: Row) -> View:
    """Return the view of one row of the columns `LISTED`: all but metadata, output and error."""
    view = brief_view(row[0], row[1], row[2], row[3], row[4], row[5])
    names = ("priority", "max_attempts", "deadline", "started_at", "finished_at")
    return view | dict(zip(names, row[6:11], strict=True))


def brief_view(
    job_id: UUID, state: str, model: str, version: str, attempts: int, created_at: datetime
) -> View:
    """Return what an acknowledgement says; queue position and ETA are null until something measures them."""
    return {
        "id": job_id,
        "state": state,
        "model": model,
        "version": version,
        "attempts": attempts,
        "created_at": created_at,
        "queue_position": None,
        "eta_s": None,
        "urls": urls(job_id),
    }


def urls(job_id: UUID) -> dict[str, str]:
    """Return where a job is read at once, waited for, cancelled and followed."""
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
