"""The stack's processes, each with its own rights and secrets: all do their work, and none is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.test import override_settings

from inference_client.webhook import verify
from inference_site.process_needs import BROKER, NEEDS, SECRETS, SITE_KEY, Process
from inference_site.stack.program import Program, answers
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import MODELS, StackPlan, make_plan, manage, specs
from jobs.broker.topology import CPU_NODE
from jobs.core.access.scopes import Scope
from jobs.core.states import State
from jobs.core.submission.request import parse_request
from jobs.models import Job, Worker
from jobs.services.access.owner import Owner
from jobs.services.submission.submit import submit_job
from jobs.services.webhooks.secrets import make_secret
from jobs.worker import process_marks
from tests.support.broker_logins import production_logins
from tests.support.factories import make_client, make_version
from tests.support.receiver import receiving
from tests.support.wait import wait_until

USERS = {
    "relay": "relay",
    "gpu-worker-0": "worker",
    "cpu-worker": "cpu-worker",
    "beat": "beat",
    "flower": "monitor",
    "web": "",
    "stream": "",
}
NOTED = re.compile(r"Task jobs\.note_beat\[.*\] succeeded")
A_MINUTE_S = 90.0
MARKER = "a-word-of-a-payload"
BUILTIN = "models_registry.loaders.builtin:echo"


@contextmanager
def running(plan: StackPlan, env: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """Run the stack's programs, each with the environment of its broker user; GPU workers serve `echo`."""
    with ExitStack() as ends:
        for spec in specs(plan):
            if spec.name in USERS:
                argv = tuple("echo" if word == MODELS else word for word in spec.argv)
                own = env[USERS[spec.name]]
                program = Program(replace(spec, argv=argv), run_dir=plan.run_dir, env=own, cwd=PROJECT)
                program.start()
                ends.callback(program.finish)
                ends.callback(program.ask_to_stop)
        yield


PROCESSES = {
    "relay": Process.RELAY,
    "worker": Process.GPU_WORKER,
    "cpu-worker": Process.CPU_WORKER,
    "beat": Process.BEAT,
    "monitor": Process.FLOWER,
    "operator": Process.OPERATOR,
    "": Process.WEB,
}


def environments(logins: Mapping[str, str], queue_type: str, marks: Path) -> dict[str, dict[str, str]]:
    """Return what each process is given: what is no secret, and its own secrets."""
    plain = {name: value for name, value in os.environ.items() if name not in SECRETS} | {
        "DJANGO_SETTINGS_MODULE": "inference_site.settings",
        "WEBHOOK_INTERNAL_HOSTS": "127.0.0.1",
        "QUEUE_TYPE": queue_type,
        "HEALTH_DIR": str(marks),
        "LOG_FORMAT": "json",
    }
    all_secrets = {name: os.environ[name] for name in ("DATABASE_URL", "SECRET_KEY")} | {
        "PII_KEY": b64encode(b"p" * 32).decode(),
        "PAYLOAD_KEYS": f"a:{b64encode(b'k' * 32).decode()}",
    }
    environments = dict[str, dict[str, str]]()
    for user, process in PROCESSES.items():
        needs = NEEDS[process].names - ({SITE_KEY} if process is Process.GPU_WORKER else set())
        secrets = all_secrets | ({BROKER: logins[user]} if user else {})
        environments[user] = plain | {name: value for name, value in secrets.items() if name in needs}
    return environments


def submitted(url: str) -> Any:
    client = make_client()
    owner = Owner(client.id, client.name, 0, frozenset(Scope))
    body = json.dumps({"model": "echo", "input": {"n": MARKER}, "callback_url": url}).encode()
    internal = replace(settings.INFERENCE, webhook_internal_hosts=("127.0.0.1",))
    with override_settings(INFERENCE=internal):
        return submit_job(owner=owner, request=parse_request(body)).id


def seen_by_flower(plan: StackPlan, path: str) -> Any:
    user, _, password = plan.login.partition(":")
    answer = httpx.get(f"{plan.flower_url}{path}", auth=(user, password), timeout=20, trust_env=False)
    return answer.json() if answer.status_code == httpx.codes.OK else {}


def batch_of(job: Any) -> Any:
    return Job.objects.values_list("batch", flat=True).get(pk=job)


def assert_flower_only_watches(plan: StackPlan, job: Any, env: Mapping[str, str]) -> None:
    """Ask for results, orders and workers' settings, with the login; and for its health, with its secrets."""
    user, _, password = plan.login.partition(":")
    info = seen_by_flower(plan, f"/api/task/info/{job}")
    assert not [name for name in ("args", "kwargs", "result", "traceback") if info.get(name)]
    with httpx.Client(base_url=plan.flower_url, auth=(user, password), timeout=20, trust_env=False) as client:
        for path in ("task/result/", "task/abort/", "task/revoke/", "task/timeout/", "worker/shutdown/"):
            for method in ("GET", "POST"):
                answer = client.request(method, f"/api/{path}{job}")
                assert answer.status_code == httpx.codes.NOT_FOUND, (method, path)
        for path in ("/api/task/send-task/jobs.keep_retention", "/api/task/async-apply/jobs.keep_retention"):
            assert client.post(path, json={"args": []}).status_code == httpx.codes.NOT_FOUND
        for path in ("/metrics", "/api/queues/length", f"/worker/{CPU_NODE}@host"):
            assert client.get(path).status_code == httpx.codes.NOT_FOUND, path
        for path in ("/", "/tasks", "/broker", "/api/tasks", "/api/task/types"):
            assert client.get(path).status_code == httpx.codes.OK, path
        assert f"/admin/jobs/batch/{batch_of(job)}/change/" in client.get(f"/task/{job}").text
        assert "<td>infer.echo</td>" in client.get("/broker").text
    assert httpx.get(f"{plan.flower_url}/api/tasks", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    words = manage("health", "flower", "--url", plan.flower_url)
    env = {**env, "FLOWER_BASIC_AUTH": plan.login}
    subprocess.run([*words], env=env, cwd=PROJECT, check=True, capture_output=True)


def assert_all_leave_marks(run_dir: Path) -> None:
    """Wait until beat has sent its task, which it does each minute, and the CPU worker has run it."""
    marks = run_dir / "health"
    wait_until((marks / process_marks.BEAT).exists, limit_s=A_MINUTE_S)
    wait_until(lambda: NOTED.search((run_dir / "log" / "cpu-worker.log").read_text()))
    assert {path.name.partition("@")[0] for path in marks.iterdir()} == {"beat", "gpu-0", CPU_NODE}


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_job_runs_and_its_webhook_leaves_under_the_rights_of_production(
    tmp_path: Path, broker_log: Callable[[], str], queue_type: str
) -> None:
    plan = replace(make_plan(run_dir=tmp_path, workers=1, login="admin:word"), gpus=0)
    make_version("echo", artifact=BUILTIN)
    secret = make_secret(client="tests", actor="test")
    with production_logins(tmp_path, default_queue_type="quorum") as logins, receiving() as receiver:
        env = environments(logins, queue_type, tmp_path / "health")
        with running(plan, env):
            wait_until(lambda: Worker.objects.filter(ended_at=None).exists())
            job = submitted(receiver.url)
            wait_until(lambda: bool(receiver.requests))
            hook = verify(*receiver.requests[0], [secret])
            assert (hook.data.id, hook.data.output) == (job, {"n": MARKER})
            assert Job.objects.get(pk=job).state == State.SUCCEEDED
            wait_until(lambda: seen_by_flower(plan, f"/api/task/info/{job}").get("state") == "SUCCESS")
            wait_until(lambda: len(seen_by_flower(plan, "/api/workers?refresh=1")) == 2)
            assert_flower_only_watches(plan, job, env["monitor"])
            wait_until(lambda: answers(f"{plan.api_url}/readyz") and answers(f"{plan.stream_url}/readyz"))
            ordered = subprocess.run(
                [*manage("load_model", "echo")], env=env["operator"], cwd=PROJECT, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            assert ordered.returncode == 0, ordered.stderr[-2000:]
            if queue_type == "quorum":  # one of them is enough for what takes a minute
                assert_all_leave_marks(tmp_path)
    vhost = logins["admin"].rpartition("/")[2]
    assert not [line for line in broker_log().splitlines() if vhost in line and "refused" in line]
    logs = {name: (tmp_path / "log" / f"{name}.log").read_text() for name in USERS}
    assert not {name: text[-2000:] for name, text in logs.items() if "ACCESS_REFUSED" in text}
    for name, text in logs.items():
        assert_all_lines_are_json(name, text)


def assert_all_lines_are_json(name: str, text: str) -> None:
    """Read the whole log of a process that has ended; each process but the relay says something."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["process"] for line in lines} == ({name} if lines else set())
    assert lines or name == "relay"
    assert all(line.keys() >= {"time", "level", "logger", "message", "pid"} for line in lines)
    assert MARKER not in text
