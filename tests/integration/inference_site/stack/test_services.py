import json
import signal
from functools import partial
from pathlib import Path

import amqp
import httpx
import psycopg
import pytest

from inference_site.stack.services import Services
from tests.integration.inference_site.stack.processes import StartScript, nothing_left, processes_of
from tests.support.wait import wait_until

SERVE = """
import json, sys, time
from functools import partial
from pathlib import Path
from inference_site.stack.services import Services
services = Services(run_dir=Path(sys.argv[1]), durable=False)
with services as env:
    monitor = {f"MONITOR_{name}": value for name, value in services.monitor_env.items()}
    print(json.dumps(env | monitor), flush=True)
    time.sleep(600)
"""


def test_no_process_stays_of_two_run_directories_when_their_parents_are_killed(
    start_script: StartScript, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    scripts = [start_script(SERVE, str(folder)) for folder in folders]
    first, second = (json.loads(script.line()) for script in scripts)
    for env in (first, second):
        _use(env)
    assert not set(first.values()) & set(second.values())
    for folder in folders:
        assert {"postgres", "beam.smp", "epmd"} <= set(processes_of(folder).values())
    for script in scripts:
        script.end(signal.SIGKILL)
    for folder in folders:
        wait_until(partial(nothing_left, folder))


def test_a_database_and_a_broker_that_the_environment_names_are_used_as_they_are(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/db", "BROKER_URL": "amqp://elsewhere//"}
    with Services(run_dir=tmp_path / "run", environ=given) as env:
        assert env == {**given, "RABBITMQ_MANAGEMENT_URL": ""}
        assert not processes_of(tmp_path)


def test_data_outlives_a_restart_on_the_same_run_directory(tmp_path: Path, broker_url: str) -> None:
    given = {"BROKER_URL": broker_url}
    with Services(run_dir=tmp_path, environ=given) as env, psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with Services(run_dir=tmp_path, environ=given) as env, psycopg.connect(env["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_wrong_password_is_refused(services: dict[str, str]) -> None:
    forged = f"postgresql://inference:wrong@{services['DATABASE_URL'].partition('@')[2]}"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(forged)


def _use(env: dict[str, str]) -> None:
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    monitor = [_log_in(env[name]) for name in ("BROKER_URL", "MONITOR_BROKER_URL")][1]
    assert httpx.get(f"{env['RABBITMQ_MANAGEMENT_URL']}/api/users").status_code == httpx.codes.OK
    pages = {
        path: httpx.get(f"{env['MONITOR_RABBITMQ_MANAGEMENT_URL']}/api/{path}", auth=monitor).status_code
        for path in ("queues", "users")
    }
    assert pages == {"queues": httpx.codes.OK, "users": httpx.codes.UNAUTHORIZED}


def _log_in(url: str) -> tuple[str, str]:
    login, _, where = url.removeprefix("amqp://").partition("@")
    user, _, password = login.partition(":")
    with amqp.Connection(where.rstrip("/"), userid=user, password=password):
        return user, password
