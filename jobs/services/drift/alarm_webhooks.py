"""The webhooks of alarms: signed and sent as those of jobs are, with the same delays and checks of addresses.

A task takes what is due each minute. The next time is written before an attempt, so that an attempt whose end
was lost is made again; receivers know a repeat by its `webhook-id`. An alarm to which fields were added has
another one than before, so that no receiver takes it for a repeat.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, assert_never

import msgspec
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction

from jobs import metrics
from jobs.core.errors import CallbackRefusedError
from jobs.core.webhooks.policy import (
    Delivered,
    DeliveryState,
    Disabled,
    GivenUp,
    TryIn,
    signature,
    verdict,
)
from jobs.core.webhooks.url import endpoint
from jobs.db import database_clock
from jobs.models import Client, DriftAlarm
from jobs.services.webhooks.http_post import EXCERPT_BYTES, LIMIT_S, WebhookRequest, WebhookResponse, post
from jobs.services.webhooks.secrets import signing_keys
from models_registry import selectors

log = logging.getLogger(__name__)
MOST_AT_ONCE = 20
EVENT_TYPE = "model.drift"


def send_due(*, limit_s: float = LIMIT_S) -> int:
    """Send the webhooks that are due, all at the same time, and record their outcomes; return how many."""
    alarms = _taken(limit_s)
    requests = [_request(alarm) for alarm in alarms]
    for alarm, response in zip(alarms, asyncio.run(_sent(requests, limit_s)), strict=True):
        _record(alarm, response)
    return len(alarms)


@transaction.atomic
def _taken(limit_s: float) -> list[DriftAlarm]:
    """Count an attempt of each alarm that is due, and let it be due again if nothing is heard of it."""
    now = database_clock.read_now()
    due = DriftAlarm.objects.select_for_update(skip_locked=True).filter(
        state=DeliveryState.WAITING, due__lte=now
    )
    alarms = list(due.order_by("due")[:MOST_AT_ONCE])
    for alarm in alarms:
        alarm.attempts += 1
        alarm.due = now + timedelta(seconds=4 * limit_s)
        alarm.save(update_fields=["attempts", "due"])
    return alarms


async def _sent(
    requests: Sequence[WebhookRequest | WebhookResponse], limit_s: float
) -> list[WebhookResponse]:
    return await asyncio.gather(*(_answer(request, limit_s) for request in requests))


async def _answer(request: WebhookRequest | WebhookResponse, limit_s: float) -> WebhookResponse:
    return request if isinstance(request, WebhookResponse) else await post(request, limit_s=limit_s)


def _request(alarm: DriftAlarm) -> WebhookRequest | WebhookResponse:
    """Return what to send, or why nothing is sent now."""
    info = selectors.info(alarm.version_id)
    monitor = info.platform_options.monitor
    client = Client.objects.filter(name=monitor.webhook_client).first()
    if client is None:
        return _unsent(f"there is no client {monitor.webhook_client}, whose secret is to sign it")
    try:
        where = endpoint(monitor.webhook_url or "", internal_hosts=settings.INFERENCE.webhook_internal_hosts)
        keys = signing_keys(client.pk)
    except CallbackRefusedError as error:
        return _unsent(str(error).replace("callback_url", "webhook_url"))
    except InvalidToken:
        return _unsent("the secret cannot be read: SECRET_KEY has changed")
    if not keys:
        return _unsent(
            f"the client {client.name} has no valid secret: manage.py webhook_secret {client.name}"
        )
    body = msgspec.json.encode(_event(alarm, info.model, info.version))
    return WebhookRequest(monitor.webhook_url or "", where, body, _headers(alarm, keys, body))


def _event(alarm: DriftAlarm, model: str, version: str) -> dict[str, Any]:
    data = {
        "alarm": alarm.pk, "model": model, "version": version, "hour": alarm.hour, "fields": alarm.fields,
        "generation": alarm.generation,
    }  # fmt: skip
    return {"type": EVENT_TYPE, "timestamp": alarm.at, "data": data}


def _headers(alarm: DriftAlarm, keys: list[bytes], body: bytes) -> dict[str, str]:
    now_s, message_id = int(database_clock.now_s()), f"drift_{alarm.pk}_{len(alarm.fields)}"
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": signature(keys, message_id=message_id, timestamp_s=now_s, body=body),
        "User-Agent": "inference-platform-webhooks/1",
    }


def _unsent(reason: str) -> WebhookResponse:
    return WebhookResponse(None, 0.0, f"not sent: {reason}"[:EXCERPT_BYTES])


def _record(alarm: DriftAlarm, response: WebhookResponse) -> None:
    now = database_clock.read_now()
    outcome = verdict(
        response.status,
        attempts=alarm.attempts,
        retry_after=response.retry_after,
        now=now,
        chance=random.random(),  # noqa: S311  # jitter
    )
    match outcome:
        case Delivered():
            alarm.state, alarm.due = DeliveryState.DELIVERED, None
        case Disabled():
            alarm.state, alarm.due = DeliveryState.DISABLED, None
        case TryIn(delay_s):
            alarm.due = now + timedelta(seconds=delay_s)
        case GivenUp():
            alarm.state, alarm.due = DeliveryState.GIVEN_UP, None
        case _:
            assert_never(outcome)
    alarm.answer = f"{response.status or ''} {response.text}".strip()[:EXCERPT_BYTES]
    DriftAlarm.objects.filter(pk=alarm.pk, attempts=alarm.attempts, state=DeliveryState.WAITING).update(
        state=alarm.state, due=alarm.due, answer=alarm.answer
    )
    metrics.WEBHOOKS.labels(alarm.state).inc()
    metrics.WEBHOOK_TIME.observe(response.took_s)
