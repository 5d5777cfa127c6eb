"""Orders to load models: rows for live workers, audited, read once by the worker that they name."""

from __future__ import annotations

from threading import Event as Flag
from threading import Thread

import pytest
from django.db import transaction

from jobs.db.engine import engine
from jobs.management import order
from jobs.models import Event, ModelOrder
from jobs.services.lifecycle.order_models import (
    OrderRow,
    end_order,
    order_model,
    order_states,
    take_orders,
    withdraw_orders,
)
from jobs.worker.order_inbox import OrderInbox
from tests.support.factories import make_worker
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("db")


def test_an_order_is_a_row_for_each_live_worker_that_it_names_and_one_event() -> None:
    one, _two = make_worker("gpu-0@a"), make_worker("gpu-1@a")
    ids = order_model(action="load", ref="m", nodes=["gpu-0@a", "gpu-9@a"], actor="ada")
    assert [(row.pk, row.worker_id) for row in ModelOrder.objects.all()] == [(ids[0], one.id)]
    event = Event.objects.get(kind="model_order")
    assert (event.actor, event.detail) == (
        "ada", {"action": "load", "ref": "m", "workers": ["gpu-0@a", "gpu-9@a"]},
    )  # fmt: skip


def test_no_order_outlives_a_transaction_that_fails() -> None:
    make_worker("gpu-0@a")
    with transaction.atomic():
        order_model(action="load", ref="m", nodes=["gpu-0@a"], actor="ada")
        transaction.set_rollback(True)
    assert not ModelOrder.objects.exists()
    assert not Event.objects.exists()


def test_a_worker_reads_its_own_orders_once_and_what_it_has_read_is_not_withdrawn() -> None:
    one, two = make_worker("gpu-0@a"), make_worker("gpu-1@a")
    ids = order_model(action="load", ref="m", nodes=["gpu-0@a", "gpu-1@a"], actor="ada")
    (mine,) = ModelOrder.objects.filter(worker=one).values_list("pk", flat=True)
    with engine().begin() as session:
        assert take_orders(session, one.id) == [OrderRow(mine, "load", "m")]
        assert take_orders(session, one.id) == []
        end_order(session, mine, "serving")
    assert withdraw_orders(ids) == [number for number in ids if number != mine]
    assert [(state.node, state.outcome) for state in order_states(ids)] == [("gpu-0@a", "serving")]
    with engine().begin() as session:
        assert take_orders(session, two.id) == []


def test_the_inbox_wakes_at_an_order_and_the_command_prints_its_outcome() -> None:
    worker, stop = make_worker("gpu-0@a"), Flag()

    def begin(given: OrderRow) -> None:
        with engine().begin() as session:
            end_order(session, given.id, f"{given.action}ed {given.ref}")

    inbox = Thread(target=OrderInbox(worker.id, begin, stop=stop).run, daemon=True)
    inbox.start()
    try:
        outcomes = dict(order.carry_out("unload", "m:1", ["gpu-0@a", "gpu-9@a"], 30))
    finally:
        stop.set()
        wait_until(lambda: not inbox.is_alive())
    assert outcomes == {"gpu-0@a": "unloaded m:1", "gpu-9@a": "failed: no such worker runs"}


def test_an_order_that_nobody_reads_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_worker("gpu-0@a")
    monkeypatch.setattr(order, "ANSWER_S", 0.0)
    assert dict(order.carry_out("load", "m", ["gpu-0@a"], 30)) == {"gpu-0@a": "failed: no answer in 0 s"}
    with engine().begin() as session:
        assert take_orders(session, worker.id) == []
