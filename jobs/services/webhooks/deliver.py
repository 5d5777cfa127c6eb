"""Deliver one webhook: count the attempt, send it outside any transaction, record the outcome.

Nothing here waits for a receiver: the sender's loop does, for all of them. An attempt that finds its client's
or its receiver's share taken is not counted, and is due again when there should be room.
"""

from __future__ import annotations

import logging
import random
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, assert_never
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from cryptography.fernet import InvalidToken
from django.conf import settings

from jobs import metrics, tracing
from jobs.core.errors import (
    CallbackRefusedError,
    PayloadKeyMissingError,
    PayloadUnavailableError,
    UnavailableError,
)
from jobs.core.payloads.stored_output import view_json
from jobs.core.states import TERMINAL, State
from jobs.core.webhooks.policy import (
    MOST_TRIES,
    Delivered,
    DeliveryState,
    Disabled,
    GivenUp,
    TryIn,
    Verdict,
    signature,
    verdict,
)
from jobs.core.webhooks.shares import Receiver
from jobs.core.webhooks.url import endpoint
from jobs.db import database_clock
from jobs.db.statement import Statement, fetch_all
from jobs.services.reads.job_views import ONE_JOB, ListedJob, View, view_of
from jobs.services.reads.tell_times import observe_tell
from jobs.services.webhooks.http_post import EXCERPT_BYTES, LIMIT_S, WebhookRequest, WebhookResponse
from jobs.services.webhooks.secrets import signing_keys
from jobs.services.webhooks.sender import sender
from jobs.services.webhooks.traced_delivery import Record, traced

log = logging.getLogger(__name__)

HISTORY = 20
HIDDEN = "Shown to tokens that may read."
OUTLINE = (*ListedJob.__struct_fields__, "urls")


class _ReceiverRow(NamedTuple):
    client: int
    url: str


class _BegunRow(NamedTuple):
    """A webhook of which an attempt was just counted; `disabled` where its address answered 410 before."""

    discloses: bool
    client: int
    url: str
    epoch: int
    attempts: int
    attempts_before: int
    disabled: bool


# The time of the next attempt is the dispatcher's to judge: a message alone brings none forward.
_RECEIVER = Statement(
    """
SELECT client_id AS client, url FROM jobs_delivery
WHERE job_id = %(job)s AND attempts = %(attempts)s AND state = 'waiting' AND sent > 0
""",
    _ReceiverRow,
)
_DEFER: Statement[None] = Statement("""
UPDATE jobs_delivery SET sent = 0, due = now() + make_interval(secs => %(wait_s)s::float8)
WHERE job_id = %(job)s AND attempts = %(attempts)s AND state = 'waiting' AND due IS NOT NULL
""")
# A repeated task counts no second attempt, because the number of attempts has changed. What follows an
# attempt is written by its epoch too: a replay may have made another end due, whose attempt has not begun.
_BEGIN = Statement(
    """
UPDATE jobs_delivery delivery
SET attempts = attempts + 1, sent = 0, due = now() + make_interval(secs => %(again_s)s)
WHERE job_id = %(job)s AND attempts = %(attempts)s AND state = 'waiting' AND due IS NOT NULL
RETURNING discloses, client_id AS client, url, epoch, attempts, before AS attempts_before, EXISTS (
  SELECT FROM jobs_disabledendpoint gone
  WHERE gone.client_id = delivery.client_id AND gone.url = delivery.url) AS disabled
""",
    _BegunRow,
)
_WRITE: Statement[None] = Statement("""
WITH written AS (
  UPDATE jobs_delivery SET state = %(state)s::text, due = now() + make_interval(secs => %(delay_s)s::float8),
    finished_at = CASE WHEN %(state)s::text <> 'waiting' THEN now() END,
    history = CASE WHEN jsonb_array_length(history) < %(most)s::int THEN history ELSE history - 0 END
      || %(entry)s::text::jsonb
  WHERE job_id = %(job)s AND epoch = %(epoch)s AND attempts = %(attempts)s
    AND state = 'waiting' AND due IS NOT NULL
  RETURNING client_id, url
)
INSERT INTO jobs_disabledendpoint (client_id, url)
SELECT client_id, url FROM written WHERE %(disables)s::bool ON CONFLICT DO NOTHING
""")
_ANOTHER_END: Statement[None] = Statement("""
UPDATE jobs_delivery SET due = NULL
WHERE job_id = %(job)s AND epoch = %(epoch)s AND attempts = %(attempts)s
  AND state = 'waiting' AND due IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt that was counted: its `number` among all, `tries` since the webhook was last sent again.

    Without `discloses` it says no more than that the job has ended, and how.
    """

    job: UUID
    client: int
    url: str
    epoch: int
    number: int
    tries: int
    disabled: bool
    discloses: bool

    @property
    def message_id(self) -> str:
        """Return the id by which a receiver recognises a repeated webhook: one for each end of the job."""
        return f"msg_{self.job.hex}_{self.epoch}"


def deliver(job_id: UUID, *, attempts: int, limit_s: float = LIMIT_S) -> Future[None]:
    """Begin the attempt that follows `attempts` others, unless it was made; return its end."""
    values = {"job": job_id, "attempts": attempts}
    if not (rows := fetch_all(_RECEIVER, values)):
        return _done()
    receiver = Receiver(rows[0].client, urlsplit(rows[0].url).netloc)
    if wait_s := sender().enter(receiver):
        fetch_all(_DEFER, {**values, "wait_s": wait_s})
        return _done()
    sent: Future[None] | None = None
    try:
        sent = _begun(job_id, attempts, limit_s, receiver)
    finally:
        if sent is None:
            sender().leave(receiver)
    return sent or _done()


def _begun(job_id: UUID, attempts: int, limit_s: float, receiver: Receiver) -> Future[None] | None:
    """Count an attempt and begin to send it; None where there is nothing to send, which is recorded."""
    rows = fetch_all(_BEGIN, {"job": job_id, "attempts": attempts, "again_s": 4 * limit_s})
    if not rows:
        return None
    database_clock.refresh()  # receivers refuse a timestamp that is minutes off
    attempt = _attempt(job_id, rows[0])
    try:
        request = _request(attempt)
    except UnavailableError:  # no outcome can be stored now: the webhook is due again
        raise
    except Exception as error:  # an unexpected error ends the attempt too, or it would be repeated for ever
        log.exception("the webhook of job %s was not sent", job_id)
        request = _unsent(f"{type(error).__name__}: {error}")
    if request is None:
        fetch_all(_ANOTHER_END, {"job": job_id, "epoch": attempt.epoch, "attempts": attempt.number})
    elif isinstance(request, WebhookResponse):
        _record(attempt, request)
    else:
        record: Record = partial(_record, attempt)
        if tracing.on:
            request, record = traced(job_id, attempt.number, request, record)
        return sender().send(receiver, request, record, limit_s=limit_s)
    return None


def _record(attempt: DeliveryAttempt, answer: WebhookResponse) -> None:
    _write(attempt, answer, _verdict(attempt, answer))


def _done() -> Future[None]:
    done = Future[None]()
    done.set_result(None)
    return done


def _unsent(reason: str) -> WebhookResponse:
    return WebhookResponse(None, 0.0, f"not sent: {reason}"[:EXCERPT_BYTES])


def _attempt(job_id: UUID, row: _BegunRow) -> DeliveryAttempt:
    return DeliveryAttempt(
        job_id,
        row.client,
        row.url,
        row.epoch,
        number=row.attempts,
        tries=row.attempts - row.attempts_before,
        disabled=row.disabled,
        discloses=row.discloses,
    )


def _request(attempt: DeliveryAttempt) -> WebhookRequest | WebhookResponse | None:
    """Return what to send, or why nothing is; None if the job was replayed, so that its next end is sent."""
    if attempt.tries > MOST_TRIES:
        return _unsent("the last attempt did not come to an end")
    rows = fetch_all(ONE_JOB, {"id": attempt.job, "client": None})
    if not rows or rows[0].erased or rows[0].state not in TERMINAL or rows[0].epoch != attempt.epoch:
        return None
    if attempt.disabled:
        return _unsent("the address answered 410 before; an operator may enable it")
    try:
        view = view_of(rows[0])
    except PayloadUnavailableError as error:
        return _unsent(str(error))
    if _lacks_key(view):
        return _unsent(view["error"]["detail"])
    if attempt.number == 1:
        observe_tell(view)
    return _signed_request(attempt, view if attempt.discloses else _outline(view))


def _signed_request(attempt: DeliveryAttempt, view: View) -> WebhookRequest | WebhookResponse:
    try:
        where = endpoint(attempt.url, internal_hosts=settings.INFERENCE.webhook_internal_hosts)
        keys = signing_keys(attempt.client)
    except CallbackRefusedError as error:
        return _unsent(str(error))
    except InvalidToken:
        return _unsent("the secret cannot be read: SECRET_KEY has changed")
    if not keys:
        return _unsent("the client has no valid secret")
    body = _body(view)
    return WebhookRequest(attempt.url, where, body, _headers(attempt, keys, body))


def _outline(view: View) -> View:
    """Return what a submitter may see of a job that may not read it."""
    outline = {name: view[name] for name in OUTLINE if name in view}
    if error := view.get("error"):
        outline["error"] = {"kind": error["kind"], "code": error["code"], "detail": HIDDEN}
    return outline


def _lacks_key(view: View) -> bool:
    """Return whether the payload's key is missing here, so that the delivery should be retried."""
    if view["state"] != State.SUCCEEDED:  # it shows the error that it ended with
        return False
    return bool(view.get("error", {}).get("code") == PayloadKeyMissingError.code)


def _body(view: View) -> bytes:
    event = {"type": f"job.{view['state']}", "timestamp": view["finished_at"], "data": view}
    return view_json(event)


def _headers(attempt: DeliveryAttempt, keys: list[bytes], body: bytes) -> dict[str, str]:
    now_s = int(database_clock.now_s())
    signed = signature(keys, message_id=attempt.message_id, timestamp_s=now_s, body=body)
    return {
        "webhook-id": attempt.message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": signed,
        "User-Agent": "inference-platform-webhooks/1",
    }


def _verdict(attempt: DeliveryAttempt, answer: WebhookResponse) -> Verdict:
    if attempt.disabled:
        return Disabled()
    return verdict(
        answer.status,
        attempts=attempt.tries,
        retry_after=answer.retry_after,
        now=database_clock.now(),
        chance=random.random(),  # noqa: S311  # jitter
    )


def _write(attempt: DeliveryAttempt, answer: WebhookResponse, outcome: Verdict) -> None:
    state, delay_s = _next(outcome)
    metrics.WEBHOOKS.labels(state.value).inc()
    metrics.WEBHOOK_TIME.observe(answer.took_s)
    fetch_all(
        _WRITE,
        {
            "state": state.value,
            "delay_s": delay_s,
            "most": HISTORY,
            "entry": _entry(attempt, answer, state, delay_s),
            "job": attempt.job,
            "epoch": attempt.epoch,
            "attempts": attempt.number,
            "disables": state is DeliveryState.DISABLED and not attempt.disabled,
        },
    )


def _next(outcome: Verdict) -> tuple[DeliveryState, float | None]:
    match outcome:
        case Delivered():
            return DeliveryState.DELIVERED, None
        case Disabled():
            return DeliveryState.DISABLED, None
        case TryIn(delay_s):
            return DeliveryState.WAITING, delay_s
        case GivenUp():
            return DeliveryState.GIVEN_UP, None
    assert_never(outcome)


def _entry(
    attempt: DeliveryAttempt, answer: WebhookResponse, state: DeliveryState, delay_s: float | None
) -> str:
    entry: dict[str, Any] = {
        "attempt": attempt.number,
        "at": database_clock.now(),
        "epoch": attempt.epoch,
        "status": answer.status,
        "said": _storable(answer.text),
        "took_ms": round(answer.took_s * 1e3, 1),
        "state": state.value,
        "again_in_s": delay_s,
    }
    return msgspec.json.encode([entry]).decode()


def _storable(text: str) -> str:
    """Return the text as Postgres can store it, which takes no NUL and no half of a character."""
    return text.encode(errors="replace").decode().replace("\0", "")
