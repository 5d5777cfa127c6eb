"""An upgrade without downtime: migrations under the release before, then its processes one by one."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_site.stack.services import PROJECT, Services
from jobs.core.access.database_rights import RUNTIME_LOGINS, DatabaseRole
from tests.support.site import Site
from tests.support.steady_load import SteadyLoad, unanswered
from tests.support.wait import wait_until

# The commit before the tables of roll-outs: what this release's migrations meet. Move it at each release.
BEFORE = "e8d68d19ffda3b199818a41d7f33048703e255f6"
ABSENT = (
    f"this clone has no commit {BEFORE}, whose code is the release before: `git fetch --unshallow`."
    " An upgrade cannot be tried without it."
)
MORE = 30  # jobs between two steps
SECRET = "of-a-test-of-upgrades-on-loopback-and-worth-nothing-to-anybody-else"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the release before."""
    archive = subprocess.run(["git", "archive", BEFORE], cwd=PROJECT, capture_output=True, check=False)
    assert archive.returncode == 0, f"{ABSENT} {archive.stderr.decode()}"
    tree = tmp_path_factory.mktemp("release-before")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(tree, filter="data")
    assert (tree / "jobs" / "migrations" / "0065_device_memory.py").exists()
    assert not (tree / "jobs" / "migrations" / "0066_rollouts.py").exists()
    return tree


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Servers with the roles of production, which the release before has never migrated."""
    services = Services(run_dir=tmp_path_factory.mktemp("servers"), durable=False, environ={})
    services.start()
    yield services
    services.stop()


@pytest.fixture
def site(servers: Services, tmp_path: Path, before: Path) -> Iterator[Site]:
    # The release before logs in as the role itself.
    url = servers.runtime_env["DATABASE_URL"].replace(RUNTIME_LOGINS[0], DatabaseRole.RUNTIME)
    env = servers.env | {"DATABASE_URL": url, "SECRET_KEY": SECRET}
    with Site(tmp_path, env) as site:
        site.commands("database_roles", tree=before, env=servers.superuser_env)
        site.commands(
            "migrate --verbosity 0",
            "retention",
            "register_builtin_models",
            tree=before,
            env=servers.owner_env,
        )
        yield site


def test_a_site_is_upgraded_under_load_without_an_error(site: Site, servers: Services, before: Path) -> None:
    token = site.commands("create_token upgraded --never-expires --no-quotas", tree=before).split()[-1]
    url = site.start_web("web-before", tree=before)
    site.start_relay("relay-before", tree=before)
    site.start_worker("worker-before", index=0, tree=before)
    site.wait_web("web-before", url)
    site.wait_relay("relay-before")
    site.wait_worker("worker-before")
    with SteadyLoad([url], token) as load:
        goes_on(load, site)
        site.commands("database_roles", env=servers.superuser_env)  # which compose runs first
        site.commands("migrate --verbosity 0", env=servers.owner_env)
        site.env.update(servers.runtime_env)  # of what is started from now on
        goes_on(load, site)  # the release before under this one's tables, and with its login

        site.start_worker("worker-now", index=1)
        site.wait_worker("worker-now")
        claims(site, "worker-now", load)  # it understands what the relay before publishes

        site.start_relay("relay-now")
        site.wait_relay("relay-now")
        site.stop("relay-before")
        claims(site, "worker-before", load)  # and the worker before what the new relay publishes
        site.stop("worker-before")
        goes_on(load, site)

        new = site.start_web("web-now")
        site.wait_web("web-now", new)
        load.urls.append(new)  # as a proxy does
        goes_on(load, site)
        site.stop("web-before")
        goes_on(load, site)
    ended(site, load)


def goes_on(load: SteadyLoad, site: Site) -> None:
    """Wait until more jobs were accepted since now, and those before are answered."""
    aim = len(load.accepted) + MORE
    wait_until(lambda: len(load.accepted) >= aim, what=lambda: load.errors[-3:])
    wait_until(lambda: unanswered(site, dict([*load.accepted.items()][:aim])) == 0, what="answers")
    assert load.errors == []


def claims(site: Site, name: str, load: SteadyLoad) -> None:
    """Wait until this worker has answered jobs that were accepted since now."""
    seen = [*load.accepted]
    query = """SELECT count(*) FROM jobs_job job JOIN jobs_batch batch ON batch.id = job.batch_id
      JOIN jobs_worker worker ON worker.id = batch.worker_id
      WHERE worker.pid = %s AND job.state = 'succeeded' AND job.id > %s::uuid"""
    pid = site.running[name].pid
    wait_until(lambda: site.value(query, pid, seen[-1]) > 0, what=f"jobs that {name} answers")


def ended(site: Site, load: SteadyLoad) -> None:
    """Every accepted job has one result, of its own input, at the first attempt."""
    wait_until(lambda: unanswered(site, load.accepted) == 0, what=lambda: site.rows(STATES))
    assert load.errors == []
    results = site.rows("SELECT job_id::text, convert_from(body, 'UTF8')::json FROM jobs_jobresult")
    assert dict(results) == load.accepted
    assert len(results) == len(load.accepted)
    assert site.rows("SELECT DISTINCT attempts FROM jobs_job") == [(1,)]
    assert site.value("SELECT count(*) FROM jobs_deadletter") == 0


STATES = "SELECT state, count(*) FROM jobs_job GROUP BY 1"
