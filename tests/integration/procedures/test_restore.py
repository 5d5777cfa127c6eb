"""A restore to a moment, into a new server, beside an empty broker: nothing known is lost or doubled."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference_site.stack.services import PROJECT
from tests.support.restored import ArchivingPostgres, RestoredPostgres
from tests.support.site import Site
from tests.support.virtual_hosts import virtual_host
from tests.support.wait import wait_until

JOBS = "/api/v1/jobs"
BIG = "a" * 100_000  # over CLAIM_CHECK_BYTES: an object in the storage
KEYS = {
    "SECRET_KEY": "of-a-test-of-restores-on-loopback-and-worth-nothing-to-anybody-else",
    "PAYLOAD_KEYS": f"one:{base64.b64encode(b'o' * 32).decode()}",
}
SLOW_S = 8
SETS_UP = (
    "migrate --verbosity 0",
    "retention",
    "register_builtin_models",
    *(
        f"register_model {model} {version} --no-load --loader entry_point"
        f" --artifact models_registry.loaders.builtin:{model} --options {options}"
        for model, version, options in (
            ("echo", "sealed", '{"encrypt":true}'), ("sleeper", "slow", f'{{"base_s":{SLOW_S}}}'),
        )
    ),
    "create_token restored --scope submit --scope read --scope erase --never-expires --no-quotas",
)  # fmt: skip


@dataclass
class Asked:
    """Jobs by what is to become of them: they ended before the moment, were live at it, or came after it."""

    ended: dict[str, Any] = field(default_factory=dict)
    live: dict[str, Any] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    erased: str = ""


class Caller:
    """Submits with idempotency keys and reads, at one URL."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)

    def submit(self, model: str, value: Any, *, key: str, status: int = 202) -> str:
        body = {"model": model, "input": value}
        answer = self.http.post(JOBS, json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == status, answer.text
        return str(answer.json()["id"])

    def erase(self, job: str) -> None:
        assert self.http.delete(f"{JOBS}/{job}").is_success

    def close(self) -> None:
        self.http.close()

    def output(self, job: str) -> Any:
        answer = self.http.get(f"{JOBS}/{job}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "succeeded", answer.text
        return answer.json()["output"]


@pytest.fixture(scope="module")
def archiving(
    services: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ArchivingPostgres]:
    with ArchivingPostgres(tmp_path_factory.mktemp("archiving")) as server:
        yield server


def test_every_live_job_ends_and_what_had_ended_keeps_its_result(
    archiving: ArchivingPostgres, tmp_path: Path
) -> None:
    with virtual_host() as first, virtual_host() as empty:
        env = {**KEYS, "PAYLOAD_DIR": str(tmp_path / "payloads"), "AUDIT_EXPORT": str(tmp_path / "audit")}
        with Site(tmp_path / "before", {**env, "DATABASE_URL": archiving.url, "BROKER_URL": first}) as site:
            token = site.commands(*SETS_UP).split()[-1]
            asked, backup, moment, rows = live_through(site, archiving, token, tmp_path)
            lose(site)
        archiving.archive_all()
        new = RestoredPostgres(tmp_path / "new", backup=backup, source=archiving, moment=moment)
        env |= {"AUDIT_EXPORT": str(tmp_path / "audit-since")}
        with new, Site(tmp_path / "after", {**env, "DATABASE_URL": new.url, "BROKER_URL": empty}) as site:
            erasures_again(site, asked, export=tmp_path / "audit")
            all_runs_again(site, asked, token, rows)


def live_through(
    site: Site, server: ArchivingPostgres, token: str, folder: Path
) -> tuple[Asked, Path, str, list[Any]]:
    """Run jobs until the moment, and more after it; return them, the backup, the moment and ended rows."""
    with closing(Caller(started(site), token)) as caller:
        return lived_through(site, server, caller, folder)


def lived_through(
    site: Site, server: ArchivingPostgres, caller: Caller, folder: Path
) -> tuple[Asked, Path, str, list[Any]]:
    asked = Asked()
    for n in range(5):
        asked.ended[caller.submit("echo", {"n": n}, key=f"ended-{n}")] = {"n": n}
    asked.ended[caller.submit("echo:sealed", {"secret": "word"}, key="sealed")] = {"secret": "word"}
    asked.ended[caller.submit("echo", {"big": BIG}, key="big")] = {"big": BIG}
    asked.erased = caller.submit("echo", {"gone": BIG}, key="erased")
    all_succeed(site, [*asked.ended, asked.erased])
    backup = server.back_up(folder / "backup")

    later = caller.submit("echo", {"after": "the backup"}, key="later")  # comes back from the archive
    asked.ended[later] = {"after": "the backup"}
    all_succeed(site, [later])
    running = [caller.submit("sleeper:slow", {}, key=f"running-{n}") for n in range(3)]
    wait_until(lambda: site.value(COUNT, "running", running) == 3)
    waiting = {caller.submit("echo", {"n": n}, key=f"live-{n}"): {"n": n} for n in range(5)}
    asked.live = dict.fromkeys(running) | waiting
    rows = site.rows(ENDED, [*asked.ended])
    moment = str(site.value("SELECT clock_timestamp()::text"))

    asked.late = [caller.submit("echo", {"late": BIG}, key="late")]
    caller.erase(asked.erased)
    wait_until(lambda: '"kind":"erase"' in exported(folder / "audit"), what="the erasure in the export")
    all_succeed(site, [*asked.live])  # so these run a second time after the restore
    return asked, backup, moment, rows


def lose(site: Site) -> None:
    """Kill everything at once."""
    for process in site.running.values():
        process.send_signal(signal.SIGKILL)
        process.wait()


def erasures_again(site: Site, asked: Asked, *, export: Path) -> None:
    """The erased job is back, without its object: by the export it is erased again."""
    status, report = reconciled(site)
    missing = {row["row"] for row in report["payloads"]["missing_rows"]}
    assert (status, missing) == (1, {asked.erased})
    assert report["payloads"]["young"] >= 1, "the input of the job that came after the moment"
    assert "1 jobs are erased again" in site.commands(f"erase --export {export}")
    assert reconciled(site)[0] == 0


def all_runs_again(site: Site, asked: Asked, token: str, rows: list[Any]) -> None:
    with closing(Caller(started(site), token)) as caller:
        all_succeed(site, [*asked.live])
        as_before(site, asked, caller, rows)


def as_before(site: Site, asked: Asked, caller: Caller, rows: list[Any]) -> None:
    assert site.rows(ENDED, [*asked.ended]) == rows, "results and times from before are as they were"
    for job, value in {**asked.ended, **asked.live}.items():
        if value is not None:
            assert caller.output(job) == value
    everything = [*asked.ended, *asked.live]
    assert site.value("SELECT count(*) FROM jobs_jobresult") == len(everything)
    assert site.value("SELECT count(*) FROM jobs_outbox") == 0
    assert site.value("SELECT count(*) FROM jobs_deadletter") == 0
    assert site.value("SELECT erased_at IS NOT NULL FROM jobs_job WHERE id = %s", asked.erased)
    assert caller.http.get(f"{JOBS}/{asked.late[0]}").status_code == 404
    assert caller.submit("echo", {"n": 0}, key="ended-0", status=200) == next(iter(asked.ended))
    assert caller.submit("echo", {"late": BIG}, key="late") not in asked.late  # its caller sends it again


def started(site: Site) -> str:
    url = site.start_web("web")
    site.start_relay("relay")
    site.start_worker("worker", index=0, models="echo,sleeper")
    site.wait_web("web", url)
    site.wait_relay("relay")
    site.wait_worker("worker")
    return url


def all_succeed(site: Site, jobs: list[str]) -> None:
    wait_until(
        lambda: site.value(COUNT, "succeeded", jobs) == len(jobs), limit_s=120, what=lambda: site.rows(STATES)
    )


def reconciled(site: Site) -> tuple[int, Any]:
    ran = subprocess.run(
        [sys.executable, "manage.py", "reconcile", "--json"],
        cwd=PROJECT, env=site.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.returncode, json.loads(ran.stdout)


def exported(path: Path) -> str:
    return path.read_text() if path.exists() else ""


COUNT = "SELECT count(*) FROM jobs_job WHERE state = %s AND id = ANY(%s::uuid[])"
STATES = "SELECT state, count(*) FROM jobs_job GROUP BY 1"
ENDED = """SELECT job.id, job.state, job.epoch, job.finished_at, md5(result.body)
  FROM jobs_job job JOIN jobs_jobresult result ON result.job_id = job.id
  WHERE job.id = ANY(%s::uuid[]) ORDER BY 1"""
