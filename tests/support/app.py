"""A client of a running stack: its calls over HTTP, and queries of the stack's database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import psutil
import psycopg

from inference_client import Client
from inference_site.stack.harness import Stack
from inference_site.stack.private_files import payload_key
from inference_site.stack.services import PROJECT
from tests.support.wait import wait_until

JOBS = "/api/v1/jobs"
DEADLINE_S = 60.0
BUILT_IN = "models_registry.loaders.builtin"
LIVE = ("queued", "waiting", "running")


def stack_env(stack: Stack) -> dict[str, str]:
    """Return the environment that a command beside this stack needs."""
    info = stack.info
    return {
        "PAYLOAD_DIR": str(stack.run_dir / "payloads"),
        **os.environ,  # as the stack itself has it
        "PAYLOAD_KEYS": f"stack:{payload_key(stack.run_dir / 'payload-key')}",
        "DATABASE_URL": info["database"],
        "BROKER_URL": info["broker"],
        "SECRET_KEY": (stack.run_dir / "secret-key").read_text(),
        "DJANGO_SETTINGS_MODULE": "inference_site.settings",
    }


def manage(stack: Stack, *words: str, env: Mapping[str, str] | None = None) -> str:
    """Run a management command beside the stack and return what it printed."""
    result = subprocess.run(
        [sys.executable, "manage.py", *words],
        env={**stack_env(stack), **(env or {})}, cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def register(stack: Stack, model: str, version: str, artifact: str, *words: str, **options: Any) -> None:
    """Register a version that runs an entry point, or a built-in model where `artifact` has no colon.

    It is not loaded here: that takes time, and some of the models fail on purpose.
    """
    artifact = artifact if ":" in artifact else f"{BUILT_IN}:{artifact}"
    words = (
        "--loader",
        "entry_point",
        "--artifact",
        artifact,
        "--options",
        json.dumps(options),
        "--no-load",
        *words,
    )
    manage(stack, "register_model", model, version, *words)


def rabbitmqctl(stack: Stack, *words: str) -> str:
    """Run an operator's command on the stack's broker and return what it printed."""
    env = psutil.Process(stack.pid("rabbitmq")).environ()  # with the cookie and the port mapper of this node
    # The node's launcher set Erlang's root and the path after it had started, so they are set here too.
    root, scripts = env["ROOTDIR"], f"{env['RABBITMQ_HOME']}/sbin"
    env |= {"ERL_ROOTDIR": root, "PATH": f"{scripts}:{root}/bin:{env['PATH']}"}
    program = f"{scripts}/rabbitmqctl"
    result = subprocess.run([program, *words], env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


class App:
    """One client with its token, and a connection to the database that no client has."""

    def __init__(self, stack: Stack) -> None:
        info = stack.info
        headers = {"Authorization": f"Bearer {info['token']}"}
        self.http = httpx.Client(base_url=info["api"], headers=headers, timeout=90, trust_env=False)
        self.client = Client(info["api"], info["token"], timeout_s=90)
        self.database = psycopg.connect(info["database"], autocommit=True, prepare_threshold=None)

    def close(self) -> None:
        self.http.close()
        self.client.close()
        self.database.close()

    def submit(self, model: str, value: Any, **fields: Any) -> dict[str, Any]:
        answer = self.http.post(JOBS, json={"model": model, "input": value, **fields})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def bulk(self, model: str, values: Sequence[Any], **fields: Any) -> list[str]:
        requests = [{"model": model, "input": value, **fields} for value in values]
        items = self.client.submit_many(requests)
        assert [item.problem for item in items if item.problem is not None] == []
        return [str(item.id) for item in items]

    def job(self, identity: str) -> dict[str, Any]:
        answer = self.http.get(f"{JOBS}/{identity}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def finished(self, identity: str, *, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
        """Wait until the job has ended, and return it."""
        return wait_until(
            lambda: None if (job := self.job(identity))["state"] in LIVE else job,
            limit_s=timeout_s,
            what=identity,
        )

    def act(self, identity: str, verb: str) -> dict[str, Any]:
        answer = self.http.post(f"{JOBS}/{identity}/{verb}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def cancel_live(self, ids: Sequence[str] | None = None) -> None:
        """Cancel the jobs that wait in the outbox: all, or those among `ids`."""
        waiting = {str(job) for (job,) in self.rows("SELECT job_id FROM jobs_outbox")}
        for job in waiting if ids is None else waiting & set(ids):
            self.http.post(f"{JOBS}/{job}/cancel")  # one that has just ended answers 409

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.database.execute(query, values).fetchall()

    def states(self, ids: Sequence[str]) -> dict[str, int]:
        return dict(
            self.rows("SELECT state, count(*) FROM jobs_job WHERE id = ANY(%s::uuid[]) GROUP BY 1", ids)
        )

    def all_finished(self, ids: Sequence[str], *, timeout_s: float = DEADLINE_S) -> dict[str, int]:
        """Wait until no job is live; return how many ended in each state."""
        wait_until(
            lambda: not set(self.states(ids)) & set(LIVE), limit_s=timeout_s, what=lambda: self.states(ids)
        )
        return self.states(ids)

    def attempts(self, ids: Sequence[str]) -> dict[int, int]:
        return dict(
            self.rows("SELECT attempts, count(*) FROM jobs_job WHERE id = ANY(%s::uuid[]) GROUP BY 1", ids)
        )

    def claimed_batches(self, ids: Sequence[str]) -> int:
        """Return how many batches have been claimed with these jobs, of whatever size."""
        return len(self.rows("SELECT id FROM jobs_batch WHERE members && %s::uuid[]", ids))

    def assert_each_ran_to_one_result(self, ids: Sequence[str]) -> None:
        """Check that each job has one result, is counted once in the batches, and waits no more."""
        results = self.rows("SELECT count(*) FROM jobs_jobresult WHERE job_id = ANY(%s::uuid[])", ids)
        assert results == [(len(ids),)]
        batches = """SELECT sum(succeeded) FROM jobs_batch WHERE members && %s::uuid[]"""
        assert self.rows(batches, ids) == [(len(ids),)]
        assert self.rows("SELECT count(*) FROM jobs_outbox WHERE job_id = ANY(%s::uuid[])", ids) == [(0,)]
