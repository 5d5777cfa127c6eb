import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from inference_site.stack.harness import down
from tests.integration.inference_site.stack.processes import Script, StartScript, nothing_left, processes_of
from tests.support.wait import wait_until

ELSEWHERE = {"DATABASE_URL": "postgresql://elsewhere/db", "BROKER_URL": "amqp://elsewhere//"}
UP = """
import signal, sys
from pathlib import Path
from inference_site.stack.stack_errors import StackError
from inference_site.stack.prepare import Credentials
from inference_site.stack.program import Spec
from inference_site.stack.supervisor import Options, Supervisor

TREE = "import subprocess, sys; subprocess.run(['tail', '-f', '/dev/null'])"

def table(plan):
    serve = (sys.executable, "-m", "http.server", str(plan.api_port), "--bind", "127.0.0.1")
    web = Spec(name="web", argv=serve, health_url=plan.api_url + "/")
    tree = Spec(name="relay", argv=(sys.executable, "-c", TREE), rank=1)
    deaf = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    return [web, tree, Spec(name="gpu-worker-0", argv=deaf, grace_s=0.5, rank=1)]

options = Options(run_dir=Path(sys.argv[1]), durable=False)
credentials = Credentials("admin", "secret", "token")
supervisor = Supervisor(options, table=table, prepare=lambda *_, **__: credentials)
try:
    sys.exit(supervisor.run(sys.argv[2:]))
except StackError as error:
    print(error)
    sys.exit(3)
"""


# A stack whose only program that is waited for is asked for by a name that `manage.py health` does not know.
NEVER_WELL = UP.replace("rank=1)\n    deaf", 'rank=1, health="nobody")\n    deaf')


def info(run_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run_dir / "stack.json").read_text())
    return content


@pytest.fixture
def up(start_script: StartScript, tmp_path: Path) -> Script:
    script = start_script(UP, str(tmp_path), **ELSEWHERE)
    came_up(script)
    return script


def came_up(script: Script) -> None:
    """Read what it prints once it is ready, to the last line."""
    assert script.line().startswith("ready: ")
    while not script.line().startswith("Ctrl-C ends the stack"):
        pass


def test_a_killed_program_is_started_again_and_recorded(up: Script, tmp_path: Path) -> None:
    before = info(tmp_path)["pids"]
    wait_until(lambda: "tail" in processes_of(tmp_path).values())
    grandchildren = {pid for pid, name in processes_of(tmp_path).items() if name == "tail"}
    os.kill(before["relay"], signal.SIGKILL)
    assert up.line() == "started again: relay"
    after = info(tmp_path)["pids"]
    assert after["relay"] != before["relay"]
    assert {**after, "relay": 0} == {**before, "relay": 0}
    wait_until(lambda: not grandchildren & processes_of(tmp_path).keys())


def test_the_file_is_private_and_gone_with_the_stack(up: Script, tmp_path: Path) -> None:
    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600
    up.end(signal.SIGTERM)
    assert not (tmp_path / "stack.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_stack_and_leaves_nothing(
    up: Script, tmp_path: Path, number: signal.Signals
) -> None:
    assert up.end(number) == 0
    assert nothing_left(tmp_path)


def test_a_killed_supervisor_leaves_nothing_once_down_was_called(up: Script, tmp_path: Path) -> None:
    up.end(signal.SIGKILL)
    assert "relay" in down(tmp_path)
    wait_until(partial(nothing_left, tmp_path))
    assert not (tmp_path / "stack.json").exists()


def test_down_ends_a_running_stack(up: Script, tmp_path: Path) -> None:
    assert down(tmp_path) == f"the stack in {tmp_path} has ended"
    assert nothing_left(tmp_path)
    assert down(tmp_path) == f"no stack was up in {tmp_path}"


def test_a_second_stack_in_the_same_directory_is_refused(
    up: Script, start_script: StartScript, tmp_path: Path
) -> None:
    second = start_script(UP, str(tmp_path), **ELSEWHERE)
    assert second.line().startswith(f"a stack is already up in {tmp_path} (process {up.process.pid})")
    assert second.process.wait(10) == 3
    assert info(tmp_path)["pids"].keys() == {"web", "relay", "gpu-worker-0"}


def test_a_command_runs_beside_the_stack_and_its_status_is_passed_on(
    start_script: StartScript, tmp_path: Path
) -> None:
    command = ("sh", "-c", 'test -s "$STACK_JSON" && exit 7')
    script = start_script(UP, str(tmp_path), *command, **ELSEWHERE)
    assert script.process.wait(60) == 7
    assert nothing_left(tmp_path)


def test_a_stack_whose_programs_do_not_do_their_work_is_not_ready(
    start_script: StartScript, tmp_path: Path
) -> None:
    assert NEVER_WELL != UP
    script = start_script(NEVER_WELL, str(tmp_path), **ELSEWHERE)
    assert "not every program did its work" in script.line()
    assert script.process.wait(30) == 3
    assert not (tmp_path / "stack.json").exists()
    assert nothing_left(tmp_path)


def test_other_terminals_get_the_settings_while_the_stack_is_up(up: Script, tmp_path: Path) -> None:
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["SECRET_KEY"] == (tmp_path / "secret-key").read_text()
    assert {name: settings[name] for name in ELSEWHERE} == ELSEWHERE
    assert not {"METRICS_PORT", "PROMETHEUS_MULTIPROC_DIR", "PATH"} & settings.keys()
    up.end(signal.SIGTERM)
    assert not (tmp_path / "settings.json").exists()


def test_ports_are_the_same_at_the_next_start(up: Script, start_script: StartScript, tmp_path: Path) -> None:
    before = info(tmp_path)
    up.end(signal.SIGTERM)
    script = start_script(UP, str(tmp_path), **ELSEWHERE)
    came_up(script)
    after = info(tmp_path)
    assert {name: after[name] for name in ("api", "stream", "flower")} == {
        name: before[name] for name in ("api", "stream", "flower")
    }


def test_an_interrupted_start_leaves_nothing(start_script: StartScript, tmp_path: Path) -> None:
    script = start_script(UP, str(tmp_path))
    wait_until(lambda: {"postgres", "beam.smp"} <= set(processes_of(tmp_path).values()))
    assert script.end(signal.SIGINT) == 0
    assert nothing_left(tmp_path)


def test_killed_servers_come_back_on_the_same_ports_with_their_data(
    start_script: StartScript, tmp_path: Path, broker_url: str
) -> None:
    script = start_script(UP, str(tmp_path), BROKER_URL=broker_url)
    came_up(script)
    before = info(tmp_path)
    with psycopg.connect(before["database"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(before["pids"]["postgres"], signal.SIGKILL)
    assert script.line() == "started again: postgres"
    wait_until(lambda: _kept(before["database"]) == (7,))


def _kept(url: str) -> tuple[Any, ...] | None:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT number FROM kept").fetchone()
    except psycopg.OperationalError:
        return None
