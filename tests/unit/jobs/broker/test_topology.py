"""The topology as data: every name stands in it alone, and reading it costs nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.broker.topology import (
    CPU,
    QUEUE_USES,
    TASK_QUEUES,
    BrokerUser,
    QueueUse,
    dead_queue_name,
    gpu_node,
    is_slow_queue,
    model_of,
    queue_name,
    queue_specs,
    task_queue_spec,
)
from jobs.core.queue_names import slow_queue

ROOT = Path(__file__).parents[4]
DECLARED = ROOT / "jobs/broker/topology.py"
# Words that a queue or exchange shares with something that is none.
OTHER_MEANINGS = {
    ("jobs/tracing/open_span.py", "infer."): "a queue in a span's attributes, of a web process too",
    ("jobs/management/commands/gpu_worker.py", "cpu"): "a device",
    ("jobs/management/pinned_device.py", "cpu"): "a device",
    ("jobs/management/commands/demo.py", "cpu"): "a device",
    ("jobs/management/scaling/scale_arguments.py", "cpu"): "an option of the command",
}
HEAVY = ("kombu", "amqp", "celery", "django")


def test_reading_the_topology_loads_nothing_but_the_standard_library() -> None:
    look = f"import sys, jobs.broker.topology; print(*sys.modules.keys() & set({HEAVY}))"
    ended = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def names() -> set[str]:
    exchanges = {use.exchange.name for use in QUEUE_USES}
    return exchanges | {queue.name for queue in TASK_QUEUES}


def constants() -> Iterator[tuple[str, str]]:
    """Yield each string of the source, the words of lists such as `cpu,webhooks` one by one."""
    for path in [*(ROOT / "jobs").rglob("*.py"), *(ROOT / "inference_site").rglob("*.py")]:
        if path == DECLARED or "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from ((str(path.relative_to(ROOT)), word) for word in node.value.split(","))


def test_no_queue_or_exchange_is_spelled_anywhere_else() -> None:
    spelled = {(path, word) for path, word in constants() if word in names() or word.startswith("infer.")}
    assert spelled <= set(OTHER_MEANINGS)


EXAMPLES = [
    queue_name("minilm"), dead_queue_name("minilm"), queue_name("a.b-c_1"), dead_queue_name("a.b-c_1"),
    "webhooks", "cpu", "celeryev.0f-3a", f"{gpu_node(3, 'host.of.mine')}.celery.pidbox",
    "cpu@host.celery.pidbox", "cpu2@host.celery.pidbox", "0f-3a.reply.celery.pidbox",
]  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_name_belongs_to_queues_of_one_kind(name: str) -> None:
    assert len(kinds_of(name)) == 1


def kinds_of(name: str) -> list[QueueUse]:
    return [use for use in QUEUE_USES if re.fullmatch(use.names, name)]


def test_the_arguments_and_the_uses_name_the_same_exchanges() -> None:
    for spec in [*queue_specs("m", "classic"), *TASK_QUEUES]:
        (use,) = kinds_of(spec.name)
        letters = use.dead_letters and use.dead_letters.name
        assert (use.exchange, letters) == (spec.exchange, spec.arguments.get("x-dead-letter-exchange"))


def test_every_kind_of_queue_is_declared_filled_and_emptied_by_somebody() -> None:
    assert all(use.declared_by | use.bound_by and use.filled_by and use.emptied_by for use in QUEUE_USES)
    users = [use.declared_by | use.bound_by | use.filled_by | use.emptied_by for use in QUEUE_USES]
    assert set().union(*users) == set(BrokerUser)


def test_an_exchange_is_named_unlike_any_queue() -> None:
    assert not [use.exchange.name for use in QUEUE_USES if use.exchange.name == CPU.name]
    assert not {use.exchange.name for use in QUEUE_USES} & {queue.name for queue in TASK_QUEUES}


def test_a_quorum_queue_has_no_priority_argument() -> None:
    live, dead = queue_specs("m", "quorum")
    assert live.arguments["x-queue-type"] == dead.arguments["x-queue-type"] == "quorum"
    assert "x-max-priority" not in live.arguments


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_each_queue_names_its_type_so_that_a_virtual_host_s_default_decides_nothing(queue_type: str) -> None:
    tasks = [task_queue_spec(queue, queue_type) for queue in TASK_QUEUES]
    for spec in [*queue_specs("m", queue_type), *tasks]:
        assert spec.arguments["x-queue-type"] == queue_type


def test_the_slow_lane_s_queue_is_as_the_model_s_and_shares_its_dead_letters() -> None:
    live, dead = queue_specs("m", "classic")
    slow, same_dead = queue_specs(slow_queue("m"), "classic")
    assert (slow.name, slow.routing_key) == ("infer.m.slow", "m.slow")
    assert slow.arguments == live.arguments
    assert same_dead == dead
    assert [model_of(key) for key in ("m", "m.slow", "infer.m.slow")] == ["m"] * 3
    assert [is_slow_queue(key) for key in ("m", "m.slow", None)] == [False, True, False]
