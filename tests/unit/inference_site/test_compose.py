"""The production stack's YAML against what it spells once more: queues, nodes and the broker's users."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from psycopg.conninfo import conninfo_to_dict

from inference_site.celery import LAST_S
from inference_site.config import Config, setting_rows
from inference_site.config_parts.secret_files import ENDING, NAMES
from inference_site.process_needs import NEEDS, SECRETS, Process
from inference_site.stack.specs import HEADERS, MAIN_LOGS, StackPlan, specs
from jobs.broker.topology import CPU_NODE, TASK_QUEUES, BrokerUser
from jobs.core.access.database_rights import RUNTIME_LOGINS, DatabaseRole
from jobs.management.health.health_checks import check_of
from jobs.services.submission.take_registration import TERMS
from tests.support import compose_files
from tests.support.compose_files import COMPOSE, OVERLAYS, filled, merged

USERS = {
    "relay": BrokerUser.RELAY,
    "gpu-worker": BrokerUser.WORKER,
    "autoscale": BrokerUser.WORKER,
    "cpu-worker": BrokerUser.CPU_WORKER,
    "beat": BrokerUser.BEAT,
    "flower": BrokerUser.MONITOR,
    "operator": BrokerUser.OPERATOR,
}
(DOCKERFILE_FOLDERS,) = re.findall(r"--owner inference (.*)", (COMPOSE / "Dockerfile").read_text())
SERVERS = ("web", "stream", "registrar")  # one program, granian


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return compose_files.services()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compose_files.rendered(tmp_path_factory.mktemp("site"))


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


@pytest.mark.parametrize("name", Process)
def test_each_process_logs_in_to_the_broker_as_its_own_user(services: dict[str, Any], name: Process) -> None:
    logins = [secret for secret in services[name].get("secrets", ()) if secret.startswith("broker-")]
    given = services[name]["environment"]
    if name not in USERS:
        assert (logins, given.get("BROKER_URL_FILE")) == ([], None)
        return
    user = USERS[name]
    assert logins == [f"broker-{user}"]
    assert given["BROKER_URL_FILE"] == f"/run/secrets/broker-{user}"
    assert given["BROKER_CA_FILE"] == "/rendered/ca/ca.pem"
    assert given["BROKER_CERT_FILE"] == f"/rendered/tls/{user}/cert.pem"
    mounted = [volume for volume in services[name]["volumes"] if "/tls/" in volume]
    assert mounted == [f"./rendered/tls/{user}:/rendered/tls/{user}:ro"]  # and no other user's key


@pytest.mark.parametrize("name", Process)
def test_each_service_has_the_secrets_of_its_process_and_no_others(
    services: dict[str, Any], name: Process
) -> None:
    files = {
        variable: path for variable, path in services[name]["environment"].items() if is_secret(variable)
    }
    given = {
        variable.removesuffix(ENDING) if variable.removesuffix(ENDING) in NAMES else variable
        for variable in files
    }
    assert given <= NEEDS[name].names
    assert NEEDS[name].missing(dict.fromkeys(given, "x")) == []
    mounted = [f"/run/secrets/{secret}" for secret in services[name]["secrets"]]
    assert sorted(files.values()) == sorted(mounted)  # each file is named, and there for it


def is_secret(variable: str) -> bool:
    return variable in SECRETS or variable.removesuffix(ENDING) in SECRETS


def test_no_secret_is_in_an_environment() -> None:
    words = re.compile("KEY|SECRET|PASSWORD|TOKEN|AUTH|COOKIE|DATABASE_URL|BROKER_URL")
    harmless = {"PAYLOAD_KEY_SERVICE", "PAYLOAD_KMS_KEY", "PAYLOAD_VAULT_KEY"}  # names of keys
    harmless |= {"KEYS_DAYS", "BROKER_KEY_FILE"}
    for name, service in merged("watching.yaml")["services"].items():
        named = {variable for variable in service.get("environment", ()) if words.search(variable)} - harmless
        paths = [service["environment"][variable] for variable in named]
        assert [path for path in paths if not path.startswith("/run/secrets/")] == [], name


def test_every_secret_is_a_file_that_is_made(made: Path) -> None:
    whole = merged("watching.yaml")
    declared = {name: secret["file"] for name, secret in whole["secrets"].items()}
    used = {secret for service in whole["services"].values() for secret in service.get("secrets", ())}
    assert used == declared.keys()
    missing = [path for path in declared.values() if not (made.parent / path).is_file()]
    assert missing == []


def test_every_setting_can_be_set_by_the_file_of_values(services: dict[str, Any]) -> None:
    fixed = {
        "DEBUG", "METRICS_ON_API",  # never in production
        "METRICS_PORT", "METRICS_HOST", "PROCESS_NAME", "PROMETHEUS_MULTIPROC_DIR", "BROKER_CA_FILE",
        "BROKER_CERT_FILE", "BROKER_KEY_FILE", "PAYLOAD_DIR", "ARTIFACT_CACHE_DIR", "BODY_DIR", "HEALTH_DIR",
        "GPU_LOCK_DIR",  # places in the containers
        "ENVS_DIR",  # of an image that has environments
        "STACK_JSON",  # of `make up`
        "PAYLOAD_VAULT_TOKEN_FILE",  # a secret's place
        "DATABASE_DIRECT_URL",  # of a deployment with a pooler, which this has not
    }  # fmt: skip
    settings = {row.name for row in setting_rows()}
    given: dict[str, str] = services["web"]["environment"] | services["flower"]["environment"]
    settable = {name for name, value in given.items() if f"${{{name}:" in str(value)}
    settable |= {"WEB_WORKERS"} if "--workers=${WEB_WORKERS:-4}" in services["web"]["command"] else set()
    assert settings - {*NAMES} - fixed - settable == set()
    assert fixed <= settings | {"GPU_LOCK_DIR"}


def test_what_loads_models_runs_from_the_image_that_has_frameworks(services: dict[str, Any]) -> None:
    loading = {name for name, service in services.items() if service["image"].startswith("${WORKER_IMAGE:")}
    assert loading == {"gpu-worker", "autoscale", "registrar"}
    targets = {name: service["build"]["target"] for name, service in services.items() if "build" in service}
    assert {name for name, target in targets.items() if target == "worker"} == loading


def test_the_registrar_differs_from_web_in_what_its_work_needs_alone(services: dict[str, Any]) -> None:
    web, registrar = services["web"], services["registrar"]
    own = {"image", "build", "environment", "volumes", "tmpfs", "command", "mem_limit", "cpus", "healthcheck"}
    assert {key for key in web.keys() | registrar if web.get(key) != registrar.get(key)} == own
    given = {name: registrar["environment"][name] for name in ("PROCESS_NAME", "TMPDIR")}
    assert {**web["environment"], **given} == {
        **registrar["environment"],
        "PROMETHEUS_MULTIPROC_DIR": "/run/metrics",
    }
    assert {*registrar["volumes"]} == {*web["volumes"], f"trials:{given['TMPDIR']}"}
    assert given["TMPDIR"] in re.findall(r" (/\w+)", DOCKERFILE_FOLDERS)  # else the volume is root's
    options = {word.partition("=")[0]: word for word in web["command"]}
    changed = [word for word in registrar["command"] if word not in options.values()]
    assert changed == ["--port=8002", "--workers=1", "--backlog=128"]


def test_a_default_here_is_one_that_its_setting_takes(services: dict[str, Any]) -> None:
    given = services["web"]["environment"]
    values = {name: filled(value, compose_files.SITE) for name, value in given.items()}
    names = {row.name for row in setting_rows()}
    config = Config.from_env(
        {name: value for name, value in values.items() if name in names}, NEEDS[Process.BEAT]
    )
    assert config.mistakes == ("BROKER_URL is not set.",)


def test_the_viewer_has_neither_payloads_nor_what_the_others_are_told(services: dict[str, Any]) -> None:
    of_logs, of_metrics = {"LOG_FORMAT", "LOG_LEVEL"}, {"METRICS_PORT", "METRICS_HOST"}
    of_pages = {"API_URL", "RABBITMQ_MANAGEMENT_URL"}
    given = services["flower"]["environment"]
    of_broker = {"BROKER_URL_FILE", "BROKER_CA_FILE", "BROKER_CERT_FILE", "BROKER_KEY_FILE"}
    assert given.keys() == {"FLOWER_BASIC_AUTH_FILE", *of_broker, *of_logs, *of_metrics, *of_pages}
    assert filled(given["RABBITMQ_MANAGEMENT_URL"], {}) == "https://rabbitmq-1:15671"
    assert not any("payloads" in volume for volume in services["flower"]["volumes"])


def test_no_service_has_a_url_with_a_password_pasted_into_it() -> None:
    for name in ("compose.yaml", *OVERLAYS):
        text = (COMPOSE / name).read_text()
        assert not re.search(
            r"\$\{\w*(PASSWORD|SECRET|TOKEN|_KEYS?\b)[^}]*\}",
            text.replace("VAULT_KEY", "").replace("KMS_KEY", ""),
        ), name


@pytest.mark.parametrize("name", [*USERS, *SERVERS])
def test_each_service_is_asked_whether_it_did_its_work(services: dict[str, Any], name: str) -> None:
    if name in {"operator", "autoscale"}:  # one runs single commands, the other comes with its command
        return
    words = services[name]["healthcheck"]["test"]
    assert words[:4] == ["CMD", "python", "manage.py", "health"]
    check_of(words[4])  # KeyError where there is no such process


def test_every_process_exports_its_metrics_inside_the_network_alone(services: dict[str, Any]) -> None:
    for name in (*SERVERS, "relay", "gpu-worker", "cpu-worker", "beat", "flower"):
        assert services[name]["environment"]["METRICS_PORT"] == "9100"
        assert "METRICS_ON_API" not in services[name]["environment"]  # anybody could read who calls
        assert not any("9100" in port for port in services[name].get("ports", ()))


def test_every_process_logs_in_the_same_form(services: dict[str, Any]) -> None:
    for name in Process:
        given = services[name]["environment"]
        form, level = given["LOG_FORMAT"], given["LOG_LEVEL"]
        assert (filled(form, {}), filled(level, {})) == ("json", "info"), name
    for server in SERVERS:
        (option,) = [word for word in services[server]["command"] if word.startswith("--log-config=")]
        assert (COMPOSE.parent / option.partition("=")[2]).samefile(MAIN_LOGS)
    for server in ("stream", "registrar"):
        assert services[server]["environment"]["PROCESS_NAME"] == server


@pytest.mark.parametrize("name", SERVERS)
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


def test_no_process_logs_in_to_the_database_with_more_rights_than_it_needs(
    services: dict[str, Any], made: Path
) -> None:
    users = {}
    for name, service in services.items():
        for secret in service.get("secrets", ()):
            if secret.startswith("database-"):
                users[name] = conninfo_to_dict((made / "urls" / secret).read_text())["user"]
    others = {user for name, user in users.items() if name not in {"database-roles", "migrate"}}
    assert others == {RUNTIME_LOGINS[0]}
    assert (users["database-roles"], users["migrate"]) == ("inference", DatabaseRole.OWNER)
    superusers = [
        name for name, service in services.items() if "POSTGRES_PASSWORD" in service.get("secrets", ())
    ]
    assert superusers == ["postgres"]


def test_a_worker_has_its_grace_before_its_container_is_killed(services: dict[str, Any]) -> None:
    for name in ("gpu-worker", "autoscale", "cpu-worker"):
        stop_s = float(filled(services[name]["stop_grace_period"], {}).removesuffix("s"))
        assert stop_s > Config.worker_grace_s + LAST_S, name
    (kill,) = [word for word in services["web"]["command"] if word.startswith("--workers-kill-timeout=")]
    for name in SERVERS:
        assert kill in services[name]["command"]
        assert float(services[name]["stop_grace_period"].removesuffix("s")) > float(kill.partition("=")[2])


def test_the_proxy_waits_longer_than_the_longest_call_and_stops_later_still(
    services: dict[str, Any], made: Path
) -> None:
    text = (made / "proxy/nginx.conf").read_text()
    read_s, *register_s = re.findall(r"proxy_read_timeout (\d+)s;", text)
    assert [int(limit_s) > TERMS.fetch_limit_s + TERMS.load_limit_s for limit_s in register_s] == [True, True]
    (body,) = {int(size) for size in re.findall(r"client_max_body_size (\d+);", text)} - {0}
    assert int(read_s) > Config.result_wait_limit_s > Config.events_heartbeat_s
    assert body > max(Config.max_upload_bytes, Config.max_bulk_body_bytes)
    assert float(services["proxy"]["stop_grace_period"].removesuffix("s")) > int(read_s)


@pytest.mark.parametrize("overlay", ["", *OVERLAYS])
def test_every_container_has_few_rights_and_limits(overlay: str) -> None:
    for name, service in compose_files.services(*filter(None, [overlay])).items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].partition(":")[0] != "0" or service.get("cap_add") == ["CHOWN"], name
        assert {"mem_limit", "cpus", "pids_limit", "ulimits", "logging"} <= service.keys(), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert 0 < int(service["ulimits"]["nofile"]["hard"]) <= 20_000, name
        assert service.get("privileged", False) is False, name


@pytest.mark.parametrize("overlay", ["", *OVERLAYS])
def test_every_service_that_stays_is_asked_for_its_health(overlay: str) -> None:
    silent = set()
    for name, service in compose_files.services(*filter(None, [overlay])).items():
        if service["restart"] == "unless-stopped" and not service.get("healthcheck", {}).get("test"):
            silent.add(name)
    assert silent <= {"collector"}  # its image has no program to ask with


def test_the_collector_has_a_page_of_metrics_that_prometheus_asks_for(made: Path) -> None:
    config = yaml.safe_load((made / "collector/collector.yaml").read_text())
    (reader,) = config["service"]["telemetry"]["metrics"]["readers"]
    page = reader["pull"]["exporter"]["prometheus"]
    jobs = yaml.safe_load((made / "prometheus/prometheus.yaml").read_text())["scrape_configs"]
    (targets,) = [job["static_configs"][0]["targets"] for job in jobs if job["job_name"] == "collector"]
    assert (page["host"], targets) == ("0.0.0.0", [f"collector:{page['port']}"])  # noqa: S104  # in a container


def test_every_image_can_be_named_by_its_digest() -> None:
    makefile = (COMPOSE.parent / "Makefile").read_text()
    listed = dict(re.findall(r"(\w+_IMAGE)=(\S+)", makefile))
    for name, service in compose_files.services("watching.yaml").items():
        match = re.fullmatch(r"\$\{(\w+_IMAGE):-([^}]+)\}", service["image"])
        assert match is not None, name
        assert match[1] in {"APP_IMAGE", "WORKER_IMAGE"} or listed[match[1]] == match[2], name


def test_only_the_proxy_listens_outside_and_the_admin_s_ports_do_not() -> None:
    outside: dict[str, list[str]] = {}
    for name, service in compose_files.services("watching.yaml").items():
        for port in service.get("ports", ()):
            if not filled(port, {}).startswith("127.0.0.1:"):
                outside.setdefault(name, []).append(port.rpartition(":")[2])
    assert outside == {"proxy": ["8443", "8080"]}


def test_each_replica_of_a_worker_takes_a_gpu_of_its_own() -> None:
    service = compose_files.services("gpu.yaml")["gpu-worker"]
    words = service["command"]
    assert words[words.index("--gpu") + 1] == "auto"
    # The lock must be on what all containers of the host share, and their user must be able to write there.
    (volume,) = [
        v
        for v in service["volumes"]
        if service["environment"]["GPU_LOCK_DIR"].startswith(v.partition(":")[2])
    ]
    assert volume.partition(":")[0] in merged()["volumes"]
    (devices,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (devices["count"], service["deploy"]["replicas"]) == ("all", "${WORKERS:-1}")


def test_in_three_zones_each_part_has_one_place_and_waits_for_none_elsewhere() -> None:
    of_zone: dict[str, set[str]] = {}
    whole = compose_files.services("zones.yaml")
    for zone in "abc":
        running = {
            name for name, service in whole.items()
            if f"zone-{zone}" in service.get("profiles", [f"zone-{zone}"])
        }  # fmt: skip
        of_zone[zone] = running
        for name in running:
            assert {*whole[name].get("depends_on", ())} <= running, (zone, name)
    every = of_zone["a"] & of_zone["b"] & of_zone["c"]
    assert every == {"proxy", *SERVERS, "relay", "gpu-worker", "cpu-worker"}
    assert [sorted(name for name in of_zone[zone] if name.startswith("rabbitmq")) for zone in "abc"] == [
        ["rabbitmq-1"], ["rabbitmq-2"], ["rabbitmq-3"],
    ]  # fmt: skip
    assert [zone for zone in "abc" if "postgres" in of_zone[zone]] == ["a"]
    assert [zone for zone in "abc" if "postgres-replica" in of_zone[zone]] == ["b"]
    assert [zone for zone in "abc" if "beat" in of_zone[zone]] == ["a"]  # each task once
    assert whole["web"]["environment"]["ZONE"] == "${ZONE:-}"


@pytest.mark.parametrize("names", [(), *((name,) for name in OVERLAYS), ("gpu.yaml", "zones.yaml")])
def test_the_files_name_only_what_there_is(names: tuple[str, ...], made: Path) -> None:
    """Compose's own reader finds these too, but it is not on every machine."""
    whole = merged(*names)
    for name, service in whole["services"].items():
        assert {*service.get("depends_on", ())} <= whole["services"].keys(), name
        assert {*service.get("secrets", ())} <= whole["secrets"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                place = made.parent if source.startswith(("./rendered", "./own")) else COMPOSE
                assert (place / source).exists(), (name, source)
            elif not source.startswith("/"):
                assert source in whole["volumes"], (name, source)


def test_a_model_s_image_is_the_platform_s_with_an_environment(services: dict[str, Any]) -> None:
    text = (COMPOSE / "model.Dockerfile").read_text()
    steps = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert steps[0] in {"FROM inference-platform", f"FROM {filled(services['gpu-worker']['image'], {})}"}
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
