"""Messages that a length limit drops are dead-lettered, and their jobs published again: no job is lost."""

from __future__ import annotations

import json

import httpx
import kombu
import pytest

from inference_site.stack.harness import Stack
from jobs.broker import broker_queues, topology
from jobs.core.messages.dead_letter_pointer import read_dead_letter
from tests.support.app import App, register
from tests.support.own_worker import own_worker
from tests.support.wait import wait_until

JOBS, ROOM = 60, 3
AGAIN = "UPDATE jobs_outbox SET due = now() WHERE queue = %s AND published > 0 RETURNING 1"
IN_FLIGHT = "SELECT count(*) FROM jobs_outbox WHERE queue = %s AND published > 0"


def limit(stack: Stack, model: str, **definition: object) -> None:
    """Put a policy on the model's queue as an operator does."""
    body = {"pattern": f"^{topology.queue_name(model)}$", "definition": definition, "apply-to": "queues"}
    url = f"{stack.info['rabbitmq_management']}/api/policies/%2F/{model}"
    httpx.put(url, json=body, timeout=20, trust_env=False).raise_for_status()
    wait_until(lambda: _policy(stack, model) == model, what="the policy")


def _policy(stack: Stack, model: str) -> object:
    url = f"{stack.info['rabbitmq_management']}/api/queues/%2F/{topology.queue_name(model)}"
    answer = httpx.get(url, timeout=20, trust_env=False)
    return answer.json().get("policy") if answer.status_code == httpx.codes.OK else None


def held(broker: kombu.Connection, model: str) -> tuple[int, int]:
    """Return how many messages lie in the model's queue and in its dead-letter queue."""
    live, dead = broker_queues.counts(broker, model), broker_queues.dead_counts(broker, model)
    assert live is not None
    assert dead is not None
    return live.ready, dead.ready


def dead_bodies(broker: kombu.Connection, model: str) -> list[bytes]:
    bodies = []
    with broker.channel() as channel:
        while message := channel.basic_get(topology.dead_queue_name(model)):
            bodies.append(message.body)
    return bodies


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish-dlx"])
def test_jobs_whose_messages_overflow_a_queue_still_end(
    overflow: str, stack: Stack, app: App, broker: kombu.Connection
) -> None:
    model = f"spills-{overflow}"
    register(stack, model, "1", "echo", "--alias", "default")
    broker_queues.declare(broker, [model])
    limit(stack, model, **{"max-length": ROOM, "overflow": overflow})
    ids = app.bulk(model, [{"n": n} for n in range(JOBS)])
    wait_until(
        lambda: app.rows(IN_FLIGHT, model)[0][0] and held(broker, model)[1] >= JOBS - ROOM, what="a spill"
    )
    assert app.states(ids) == {"queued": JOBS}
    with own_worker(stack, model, index=7):
        # Their visibility time is over, again and again: the queue may spill more than once.
        wait_until(lambda: app.rows(AGAIN, model) is not None and app.states(ids) == {"succeeded": JOBS},
                   every_s=1.0, what=lambda: (app.states(ids), held(broker, model)))  # fmt: skip
    app.assert_each_ran_to_one_result(ids)
    assert held(broker, model)[0] == 0
    assert all(read_dead_letter(body) is None and json.loads(body) for body in dead_bodies(broker, model))
    assert app.rows("SELECT count(*) FROM jobs_deadletter WHERE queue = %s", model) == [(0,)]
