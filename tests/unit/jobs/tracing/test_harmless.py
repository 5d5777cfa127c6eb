"""What fails while spans are recorded harms nothing but the spans, and is logged."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pytest

from jobs.services.relay.statements import DueRow
from jobs.services.relay.traced_publish import TracedPublish
from jobs.services.submission import traced_jobs
from jobs.services.webhooks.http_post import WebhookResponse
from jobs.services.webhooks.traced_delivery import traced
from jobs.tracing import call_traces, trace_switch
from jobs.tracing.harmless import or_else
from jobs.worker.reporting.traced_batch import trace_batch

PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def broken() -> Any:
    recorder = MagicMock()
    recorder.start.side_effect = recorder.root.side_effect = RuntimeError("spans are broken")
    trace_switch.use(recorder)
    yield recorder
    trace_switch.use(None)


def test_a_failed_record_is_logged_and_its_caller_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    @or_else(lambda number: number)
    def doubled(number: int) -> int:
        return 2 * number if number < 5 else number // 0

    assert (doubled(2), doubled(7)) == (4, 7)
    assert "a span was not recorded" in caplog.text


def test_no_hook_of_the_road_raises(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call_traces.begin("POST", "/", "http", None) is None
    call = call_traces.begin("POST", "/", "http", PLACE)
    assert call is not None
    call.decide(1)
    placed: list[Any] = [MagicMock()]
    call._server = broken
    assert traced_jobs.creating(placed) is placed
    call.end(202)
    publish = TracedPublish("echo", [DueRow(MagicMock(), 0.0, traceparent=PLACE)])
    assert publish.header([]) is None
    publish.end(1, 1)
    trace_batch(MagicMock(jobs=[MagicMock(traceparent=PLACE)]), [], [])
    monkeypatch.setattr("jobs.services.webhooks.traced_delivery.fetch_all", lambda *_: [PLACE])
    request, record = MagicMock(), MagicMock()
    assert traced(UUID(int=1), 1, request, record) == (request, record)


def test_the_outcome_of_a_webhook_is_recorded_though_its_span_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.services.webhooks.http_post import WebhookRequest

    monkeypatch.setattr("jobs.services.webhooks.traced_delivery.fetch_all", lambda *_: [PLACE])
    recorder, record = MagicMock(), MagicMock()
    recorder.start.return_value.end.side_effect = RuntimeError("spans are broken")
    trace_switch.use(recorder)
    try:
        request = WebhookRequest("https://a.example", MagicMock(), b"", {})
        _, ended = traced(UUID(int=1), 1, request, record)
        ended(WebhookResponse(200, 0.1))
    finally:
        trace_switch.use(None)
    record.assert_called_once()
