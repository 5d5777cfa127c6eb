"""The production stack's YAML against what it spells once more: queues, nodes and the broker's users."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from kombu.utils.url import parse_url
from psycopg.conninfo import conninfo_to_dict

from inference_site.config import Config
from inference_site.process_needs import NEEDS, SECRETS, Process
from inference_site.stack.specs import HEADERS, MAIN_LOGS, StackPlan, specs
from jobs.broker.topology import CPU_NODE, TASK_QUEUES, BrokerUser
from jobs.core.access.database_rights import DatabaseRole
from jobs.management.health.health_checks import check_of

COMPOSE = Path(__file__).parents[3] / "compose"


def _render() -> Any:
    spec = importlib.util.spec_from_file_location("render", COMPOSE / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


render = _render()


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Give the process its mask back: the script narrows it, and later tests make files for all users."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


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
    ports: dict[str, Any] = {"api_port": 1, "stream_port": 2, "flower_port": 3}
    plan = StackPlan(run_dir=tmp_path, gpus=0, workers=1, login="a:b", **ports)
    (ours,) = [spec.argv for spec in specs(plan) if spec.name == "cpu-worker"]
    theirs = services["cpu-worker"]["command"]
    assert ours[ours.index("worker") :] == tuple(theirs[theirs.index("worker") :])


def test_each_process_logs_in_to_the_broker_as_its_own_user(services: dict[str, Any]) -> None:
    files = {name: services[name]["env_file"] for name in USERS}
    assert files == {name: [f"urls/{user}.env"] for name, user in USERS.items()}


def test_processes_that_do_not_use_the_broker_have_no_user(services: dict[str, Any]) -> None:
    for name in ("web", "stream"):
        assert services[name]["env_file"] == ["urls/nobody.env"]
    assert render.urls("", ENV).partition("=")[0] == "DATABASE_URL"
    assert "BROKER_URL" not in render.urls("", ENV)


@pytest.mark.parametrize("name", Process)
def test_each_service_has_the_secrets_of_its_process_and_no_others(
    services: dict[str, Any], name: Process
) -> None:
    (file,) = services[name]["env_file"]
    user = Path(file).stem
    broker = {user.value for user in BrokerUser}
    text = render.urls(user if user in broker else "", ENV)
    urls = {line.partition("=")[0] for line in text.splitlines()}
    given = (urls | services[name]["environment"].keys()) & SECRETS
    assert given <= NEEDS[name].names
    lacks = dict.fromkeys(given, "x")
    assert NEEDS[name].missing(lacks) == []


def test_no_process_has_a_secret_by_another_name(services: dict[str, Any]) -> None:
    words = re.compile("KEY|SECRET|PASSWORD|TOKEN|AUTH|URL")
    harmless = {"API_URL", "STREAM_URL", "FLOWER_URL", "PAYLOAD_ENDPOINT_URL", "PAYLOAD_VAULT_URL"}
    harmless |= {"RABBITMQ_MANAGEMENT_URL"}  # without a login, as the test of the viewer says
    harmless |= {"PAYLOAD_KEY_SERVICE", "PAYLOAD_KMS_KEY"}  # names of keys
    for name in Process:
        named = {variable for variable in services[name]["environment"] if words.search(variable)}
        assert named - harmless <= SECRETS, name


def test_the_viewer_has_neither_payloads_nor_what_the_others_are_told(services: dict[str, Any]) -> None:
    of_logs, of_metrics = {"LOG_FORMAT", "LOG_LEVEL"}, {"METRICS_PORT", "METRICS_HOST"}
    of_pages = {"API_URL", "RABBITMQ_MANAGEMENT_URL"}
    given = services["flower"]["environment"]
    assert given.keys() == {"FLOWER_BASIC_AUTH", *of_logs, *of_metrics, *of_pages}
    assert given["RABBITMQ_MANAGEMENT_URL"] == "http://rabbitmq:15672"
    assert services["flower"]["volumes"] == []


def test_no_service_has_a_url_with_a_password_pasted_into_it() -> None:
    assert not re.search(r"\$\{\w+_PASSWORD[^}]*\}@", (COMPOSE / "compose.yaml").read_text())


def test_the_example_names_every_password() -> None:
    example = (COMPOSE / ".env.example").read_text()
    for user in BrokerUser:
        assert f"\n{user.upper().replace('-', '_')}_PASSWORD=" in example


@pytest.mark.parametrize("name", [*USERS, "web", "stream"])
def test_each_service_is_asked_whether_it_did_its_work(services: dict[str, Any], name: str) -> None:
    if name == "operator":  # runs single commands
        return
    words = services[name]["healthcheck"]["test"]
    assert words[:4] == ["CMD", "python", "manage.py", "health"]
    check_of(words[4])  # KeyError where there is no such process


def test_every_process_exports_its_metrics_inside_the_network_alone(services: dict[str, Any]) -> None:
    for name in ("web", "stream", "relay", "gpu-worker", "cpu-worker", "beat", "flower"):
        assert services[name]["environment"]["METRICS_PORT"] == "9100"
        assert "METRICS_ON_API" not in services[name]["environment"]  # anybody could read who calls
        assert not any("9100" in port for port in services[name].get("ports", ()))


def test_every_process_logs_in_the_same_form(services: dict[str, Any]) -> None:
    for name in Process:
        given = services[name]["environment"]
        form, level = given["LOG_FORMAT"], given["LOG_LEVEL"]
        assert (form, level) == ("${LOG_FORMAT:-json}", "${LOG_LEVEL:-info}"), name
    for server in ("web", "stream"):
        (option,) = [word for word in services[server]["command"] if word.startswith("--log-config=")]
        assert (COMPOSE.parent / option.partition("=")[2]).samefile(MAIN_LOGS)
    assert services["stream"]["environment"]["PROCESS_NAME"] == "stream"


@pytest.mark.parametrize("name", ["web", "stream"])
def test_the_web_servers_limit_headers_as_those_of_the_stack_do(services: dict[str, Any], name: str) -> None:
    limits = [f"{option}={value}" for option, value in zip(HEADERS[::2], HEADERS[1::2], strict=True)]
    assert set(limits) <= set(services[name]["command"])


def test_nothing_is_migrated_before_the_deployment_was_checked(services: dict[str, Any]) -> None:
    first, *_ = services["migrate"]["command"][2].split(" && ")
    others = set(Process) - {Process.MIGRATE, Process.DATABASE_ROLES}
    migrated = {"condition": "service_completed_successfully"}
    assert [services[name]["depends_on"]["migrate"] for name in others] == [migrated] * len(others)
    assert first == "python manage.py check --deploy --fail-level WARNING"


DEPLOYED = {
    "DATABASE_URL": "postgresql://inference:word@postgres:5432/inference", "BROKER_URL": "amqp://none@rabbitmq//",
    "SECRET_KEY": "k3y-" + "abcdefghij" * 6, "API_URL": "https://api.example", "STREAM_URL": "https://s.example",
    "TRUSTED_PROXY_HOPS": "1", "ALLOWED_HOSTS": "api.example", "ADMIN_TWO_FACTOR": "true",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"API_URL": "http://api.example"}, "security.W"),
        ({"STREAM_URL": "http://s.example"}, "jobs.W001"),
        ({"TRUSTED_PROXY_HOPS": "0"}, "jobs.W001"),
        ({"SECRET_KEY": "change-me"}, "SECRET_KEY still has the example's value"),
        ({"SECRET_KEY": "short"}, "security.W009"),
        ({"DEBUG": "true"}, "security.W018"),
        ({"ADMIN_TWO_FACTOR": "false"}, "jobs.W002"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"PII_KEY": "c2hvcnQ="}, "PII_KEY: must be 32 bytes"),
        ({"PAYLOAD_KEYS": "a:c2hvcnQ="}, "PAYLOAD_KEYS: entry 1"),
    ],
    ids=str,
)
def test_the_check_of_a_deployment_stops_one_that_is_not_safe(changes: dict[str, str], fault: str) -> None:
    words = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    env = {"PATH": os.environ["PATH"], **DEPLOYED, **changes}
    ended = subprocess.run(
        words, env=env, cwd=COMPOSE.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode == 0) is not bool(fault), ended.stderr
    assert fault in ended.stderr


ENV = {
    "SECRET_KEY": "k", "PII_KEY": "k", "POSTGRES_PASSWORD": "p@ss/w$rd :%",
    "DATABASE_OWNER_PASSWORD": "o@/", "DATABASE_RUNTIME_PASSWORD": "r$@/:",
    "FLOWER_BASIC_AUTH": "admin:w", "API_URL": "https://a",
    "STREAM_URL": "https://s", "ALLOWED_HOSTS": "a",
    **{render.password_of(user): f"{user} @/$:%#" for user in BrokerUser},
}  # fmt: skip


def test_passwords_of_any_characters_arrive_as_they_are(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in ENV.items()))
    render.main(tmp_path)
    config = Config.from_env({**variables(tmp_path / "urls/relay.env"), "SECRET_KEY": "k"})
    assert config.mistakes == ()
    assert conninfo_to_dict(config.database_url)["password"] == ENV["DATABASE_RUNTIME_PASSWORD"]
    assert parse_url(config.broker_url)["password"] == ENV["RELAY_PASSWORD"]
    assert (tmp_path / "urls/relay.env").stat().st_mode & 0o777 == 0o600
    (relay,) = [
        u for u in json.loads((tmp_path / "definitions.json").read_text())["users"] if u["name"] == "relay"
    ]
    stored = b64decode(relay["password_hash"])
    assert stored[4:] == sha256(stored[:4] + ENV["RELAY_PASSWORD"].encode()).digest()


def test_no_process_logs_in_to_the_database_with_more_rights_than_it_needs(
    services: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in ENV.items()))
    render.main(tmp_path)
    users = {}
    for name, service in services.items():
        if files := service.get("env_file"):
            (file,) = files
            if url := variables(tmp_path / file).get("DATABASE_URL"):
                users[name] = conninfo_to_dict(url)["user"]
    others = {user for name, user in users.items() if name not in {"database-roles", "migrate"}}
    assert others == {DatabaseRole.RUNTIME}
    assert (users["database-roles"], users["migrate"]) == ("inference", DatabaseRole.OWNER)
    assert (render.OWNER, render.RUNTIME) == (DatabaseRole.OWNER, DatabaseRole.RUNTIME)
    superusers = [name for name, service in services.items() if "POSTGRES_PASSWORD" in str(service)]
    assert superusers == ["postgres"]


def variables(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_the_file_of_values_is_read_and_never_run(tmp_path: Path) -> None:
    text = f"A=$(touch {tmp_path}/run)"
    with pytest.raises(render.EnvFileError, match="put A in single quotes"):
        render.read_env(text)
    assert not (tmp_path / "run").exists()
    lines = "# note\n\nA=a b # note\nB='a $b # c' # note\nC=\"x y\"\nexport D=a#b\nE=\n"
    assert render.read_env(lines) == {"A": "a b", "B": "a $b # c", "C": "x y", "D": "a#b", "E": ""}


@pytest.mark.parametrize("line", ["A=a$b", 'A="a$b"', "A=a\\b", "A='it's'", "A='open", "not a line"])
def test_a_line_that_compose_would_read_in_another_way_is_refused(line: str) -> None:
    with pytest.raises(render.EnvFileError, match="line 1"):
        render.read_env(line)


def test_a_value_of_the_example_is_refused_by_its_name() -> None:
    values = render.read_env((COMPOSE / ".env.example").read_text())
    with pytest.raises(render.EnvFileError, match=r"SECRET_KEY, POSTGRES_PASSWORD, .*PII_KEY"):
        render.check(values, [*BrokerUser])
    with pytest.raises(render.EnvFileError, match=r"\.env has no BEAT_PASSWORD"):
        render.check({name: value for name, value in ENV.items() if name != "BEAT_PASSWORD"}, [*BrokerUser])


def test_a_model_s_image_is_the_platform_s_with_an_environment(services: dict[str, Any]) -> None:
    text = (COMPOSE / "model.Dockerfile").read_text()
    steps = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert steps[0] == f"FROM {services['gpu-worker']['image']}"
    assert [step for step in steps if step.startswith("USER")][-1] == "USER inference"
    (made,) = [step.partition("manage.py ")[2].split() for step in steps if "manage.py" in step]
    (shown,) = [
        json.loads(line.partition("command: ")[2]) for line in text.splitlines() if "command: " in line
    ]
    parsed = [
        vars(
            load_command_class(get_commands()[words[0]], words[0]).create_parser("", "").parse_args(words[1:])
        )
        for words in (made, shown[2:])
    ]
    assert parsed[0]["name"] == parsed[1]["env"] == "model"
    assert f"COPY ${{MODEL}}/requirements.txt {parsed[0]['requirements']}" in steps
    assert shown[:2] == services["gpu-worker"]["command"][:2]
