"""A worker knows its own tasks only: Celery's built-in ones could call any other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import jobs.tasks  # noqa: F401  # registers them
from inference_site.celery import app
from jobs.core.messages.envelope import TASK_NAME
from jobs.worker.consuming.consumer import JobConsumer
from jobs.worker.consuming.undelayed import UndelayedConsumer
from tests.support.malformed_messages import MALFORMED

ORDINARY = {
    "jobs.compare_drift",
    "jobs.send_drift_webhooks",
    "jobs.continue_edits",
    "jobs.continue_erasures",
    "jobs.forget_old",
    "jobs.purge_letters",
    "jobs.deliver_webhook",
    "jobs.forget_events",
    "jobs.forget_payloads",
    "jobs.keep_retention",
    "jobs.note_beat",
    "jobs.warn_of_tokens",
}


def consumer(kind: type[UndelayedConsumer]) -> Any:
    made: Any = kind.__new__(kind)
    made.app, made.strategies, made.hostname = app, {}, "cpu@tests"
    made.restart_count, made._maximum_prefetch_restored = 0, True
    made.call_soon_ack = made.on_task_message = None
    made._restore_prefetch_count_after_connection_restart = None
    return made


@pytest.fixture(autouse=True)
def strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in app.tasks.values():
        monkeypatch.setattr(task, "start_strategy", lambda *_: None, raising=False)


@pytest.mark.parametrize(("kind", "known"), [(JobConsumer, {TASK_NAME}), (UndelayedConsumer, ORDINARY)])
def test_a_worker_takes_its_own_tasks_only(kind: type[UndelayedConsumer], known: set[str]) -> None:
    assert "celery.map" in app.tasks
    made = consumer(kind)
    made.update_strategies()
    assert set(made.strategies) == known


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_is_rejected_once_by_the_cpu_worker_too(name: str) -> None:
    made, ends = consumer(UndelayedConsumer), list[bool]()
    message = MALFORMED[name]
    delivered = SimpleNamespace(
        headers=message.properties.get("application_headers"),
        body=message.body,
        content_type=message.properties["content_type"],
        acknowledged=False,
        reject=lambda requeue: ends.append(requeue),  # noqa: PLW0108  # by its name
        decode=lambda: 1 / 0,
    )
    made.create_task_handler()(delivered)
    assert ends == [False]
