"""The production stack's YAML against what it spells once more: queues, nodes and the broker's users."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference_site.stack.specs import StackPlan, specs
from jobs.broker.topology import CPU_NODE, TASK_QUEUES, BrokerUser

COMPOSE = Path(__file__).parents[3] / "compose"
LOGIN = re.compile(r"amqp://(.+):\$\{(.+):\?\}@rabbitmq:5672//")
USERS = {
    "relay": BrokerUser.RELAY,
    "gpu-worker": BrokerUser.WORKER,
    "cpu-worker": BrokerUser.CPU_WORKER,
    "beat": BrokerUser.BEAT,
    "flower": BrokerUser.MONITOR,
    "operator": BrokerUser.OPERATOR,
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    return services


def test_the_cpu_worker_consumes_the_task_queues_under_its_node_s_name(services: dict[str, Any]) -> None:
    words = services["cpu-worker"]["command"]
    assert words[words.index("-Q") + 1] == ",".join(queue.name for queue in TASK_QUEUES)
    assert words[words.index("-n") + 1] == f"{CPU_NODE}@%h"


def test_the_stack_of_one_machine_runs_the_same_cpu_worker(services: dict[str, Any], tmp_path: Path) -> None:
    plan = StackPlan(
        run_dir=tmp_path, api_port=1, stream_port=2, flower_port=3, gpus=0, workers=1, login="a:b"
    )
    (ours,) = [spec.argv for spec in specs(plan) if spec.name == "cpu-worker"]
    theirs = services["cpu-worker"]["command"]
    assert ours[ours.index("worker") : ours.index("--loglevel")] == tuple(theirs[theirs.index("worker") :])


def test_each_process_logs_in_to_the_broker_as_its_own_user(services: dict[str, Any]) -> None:
    urls = {name: service.get("environment", {}).get("BROKER_URL", "") for name, service in services.items()}
    logins = {name: LOGIN.fullmatch(url) for name, url in urls.items()}
    assert {name: login[1] for name, login in logins.items() if login} == USERS
    for login in filter(None, logins.values()):
        assert login[2] == f"{login[1].upper().replace('-', '_')}_PASSWORD"


def test_processes_that_do_not_use_the_broker_have_no_user(services: dict[str, Any]) -> None:
    others = [services[name]["environment"]["BROKER_URL"] for name in ("web", "stream", "migrate")]
    assert {url.partition("@")[0] for url in others} == {"amqp://none"}
    assert "none" not in {user.value for user in BrokerUser}


def test_the_example_names_every_password() -> None:
    example = (COMPOSE / ".env.example").read_text()
    for user in BrokerUser:
        assert f"\n{user.upper().replace('-', '_')}_PASSWORD=" in example
