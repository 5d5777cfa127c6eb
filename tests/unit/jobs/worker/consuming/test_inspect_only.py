"""What arrives over the control exchange: questions are answered, orders change nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state as worker_state
from celery.worker.control import Panel
from kombu.utils.imports import symbol_by_name

import jobs.worker.consuming.control  # noqa: F401  # makes its question known
from inference_site.celery import app
from jobs.worker.consuming.inspect_only import QUESTIONS, REFUSED, InspectOnly
from jobs.worker.consuming.undelayed import UndelayedConsumer

ID = "019b0000-0000-7000-8000-000000000001"
ORDERS = sorted(Panel.data.keys() - QUESTIONS)


@pytest.fixture
def node() -> Any:
    names = UndelayedConsumer.Blueprint.default_steps
    (step,) = [symbol_by_name(name) for name in names if name.endswith((":Control", ":Questions"))]
    consumer = SimpleNamespace(
        pool=None, hostname="gpu-0@h", app=app, controller=SimpleNamespace(use_eventloop=True)
    )
    return step(consumer).box.node


def test_every_question_is_one_that_celery_only_reads() -> None:
    assert {Panel.meta[name].type for name in QUESTIONS} == {"inspect"}
    assert {"revoke", "shutdown", "rate_limit", "pool_grow", "add_consumer", "hello", "conf"} <= {*ORDERS}


@pytest.mark.parametrize("order", [*ORDERS, "load_model", "unload_model", "no-such", "", 7])
def test_an_order_is_refused_and_changes_nothing(node: Any, order: Any) -> None:
    arguments = {"task_id": [ID], "headers": {"stamp": [ID]}, "from_node": "gpu-1@h", "revoked": {ID: 1}}
    assert node.dispatch(order, arguments | {"terminate": True}) == {"error": REFUSED}
    assert ID not in worker_state.revoked
    assert not worker_state.revoked_stamps


def test_a_forged_message_that_is_no_command_breaks_nothing(node: Any) -> None:
    assert "error" in node.dispatch(["ping"])
    assert node.dispatch("ping") == {"ok": "pong"}


def test_the_handlers_of_another_process_s_celery_remain_as_they_are() -> None:
    assert "revoke" in Panel.data
    assert InspectOnly(Panel.data).keys() == QUESTIONS
