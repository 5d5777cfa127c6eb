"""The servers of a test run: its own, which end with it, or those that the environment names."""

import os
import shutil
from pathlib import Path

from inference_site.stack.leash import end_recorded
from inference_site.stack.services import PROJECT, Services

SECRET_KEY = "of-a-test-run-on-loopback-and-worth-nothing-to-anybody-else"
PLACEHOLDERS = {
    "SECRET_KEY": SECRET_KEY,
    "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
    "BROKER_URL": "amqp://nobody:nothing@127.0.0.1:1//",
}


class TestServices:
    """Postgres and RabbitMQ of one test run, under `.run/test-<pid>/`."""

    __test__ = False

    def __init__(self) -> None:
        """Choose a run directory that no other process uses."""
        self.run_dir = PROJECT / ".run" / f"test-{os.getpid()}"
        self._services = Services(run_dir=self.run_dir, durable=False)

    @property
    def broker_log(self) -> str:
        """Return what this run's own broker has logged; one that the environment names logs elsewhere."""
        return "" if self._services.rabbitmq is None else self._services.rabbitmq.node_log.read_text()

    def start(self) -> None:
        """Start the servers and put their URLs in the environment; clear up after killed runs."""
        _delete_killed_runs()
        os.environ.update(self._services.start().env)
        os.environ["SECRET_KEY"] = SECRET_KEY
        os.environ.setdefault("PAYLOAD_DIR", str(self.run_dir / "payloads"))

    def stop(self) -> None:
        """End the servers and delete their data."""
        self._services.stop()
        shutil.rmtree(self.run_dir, ignore_errors=True)


def _delete_killed_runs() -> None:
    for folder in (PROJECT / ".run").glob("test-*"):
        if not Path(f"/proc/{folder.name.removeprefix('test-')}").exists():
            end_recorded(folder)
            shutil.rmtree(folder, ignore_errors=True)


def only_unit_tests(args: list[str], *, started_in: Path) -> bool:
    """Return whether every path lies in tests/unit, which needs no server."""
    unit = Path(__file__).parents[1] / "unit"
    paths = [(started_in / arg.split("::")[0]).resolve() for arg in args]
    return bool(paths) and all(path == unit or unit in path.parents for path in paths)


def use_placeholders() -> None:
    """Give the settings URLs that lead nowhere, so that a unit test cannot reach a server."""
    os.environ.update(PLACEHOLDERS)
