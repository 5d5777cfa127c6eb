"""What servers run that compose/ configures: the archive's command, and the start of a RabbitMQ node."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from inference_site.stack.postgres import unprivileged
from tests.support.compose_files import COMPOSE, rendered, services

SEGMENT = "000000010000000000000007"
COOKIE = "COOKIE-OF-THE-CLUSTER"
ERLANG = "#!/bin/sh\nprintf /erlang/ssl\n"


@pytest.fixture(scope="module")
def archive_command(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "archive").mkdir()
    made = rendered(folder, WAL_ARCHIVE=str(folder / "archive"))
    (command,) = re.findall(
        r"^archive_command = '(.*)'", (made / "postgres/postgres.conf").read_text(), re.MULTILINE
    )
    return command, folder


def archived(command: tuple[str, Path], text: str) -> bool:
    """Archive a segment with this text, as Postgres does."""
    (command[1] / "segment").write_text(text)
    words = command[0].replace("%p", str(command[1] / "segment")).replace("%f", SEGMENT)
    return subprocess.run(["/bin/sh", "-c", words], check=False).returncode == 0


def test_a_segment_that_is_archived_twice_is_no_error_and_another_of_its_name_is(
    archive_command: tuple[str, Path],
) -> None:
    assert archived(archive_command, "one")
    assert archived(archive_command, "one")  # as after a crash before the server noted the first time
    assert not archived(archive_command, "another")
    assert (archive_command[1] / "archive" / SEGMENT).read_text() == "one"


class Node:
    """A folder in which compose/rabbitmq/start.sh runs a command, without root and without Erlang."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        (folder / "erl").write_text(ERLANG)
        (folder / "erl").chmod(0o755)
        (folder / "cookie").write_text(COOKIE)
        (folder / "cookie").chmod(0o644)
        folder.chmod(0o777)  # of the user that the script runs as

    @property
    def _env(self) -> Mapping[str, str]:
        paths = {"HOME": str(self.home), "COOKIE": str(self.home / "cookie"), "RENDERED": "/rendered"}
        return {**paths, "PATH": f"{self.home}:/usr/bin:/bin", "N": "1"}

    def begin(self, *words: str) -> subprocess.Popen[str]:
        argv = [*unprivileged(), "/bin/sh", str(COMPOSE / "rabbitmq" / "start.sh"), *words]
        return subprocess.Popen(
            argv, env=self._env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    @property
    def cookie(self) -> Path:
        return self.home / ".erlang.cookie"


@pytest.fixture
def node() -> Iterator[Node]:
    with TemporaryDirectory() as folder:  # other users cannot enter pytest's
        yield Node(Path(folder))


def test_commands_of_a_node_may_begin_at_the_same_time(node: Node) -> None:
    begun = [node.begin("cat", str(node.cookie)) for _ in range(12)]
    ended = [process.communicate() for process in begun]
    assert [(out, error) for out, error in ended] == [(COOKIE, "")] * len(begun)
    assert node.cookie.stat().st_mode & 0o777 == 0o400
    assert [*node.home.glob(".erlang.cookie.*")] == []


def test_a_node_starts_after_one_that_was_killed_as_it_wrote_its_cookie(node: Node) -> None:
    assert node.begin("true").communicate() == ("", "")
    (node.home / "cookie").write_text("another")
    left = f"umask 377; for end in fresh $(seq 400); do echo half > {node.cookie}.$end; done"
    subprocess.run([*unprivileged(), "/bin/sh", "-c", left], check=True)
    process = node.begin("printenv", "RABBITMQ_CTL_ERL_ARGS")
    out, error = process.communicate()
    assert (process.returncode, error, node.cookie.read_text()) == (0, "", "another")
    assert "-proto_dist inet_tls" in out


def test_a_database_counts_as_healthy_once_it_can_be_reached_by_others() -> None:
    for name in ("postgres", "postgres-replica"):
        words = services()[name]["healthcheck"]["test"]
        assert words[words.index("-h") + 1] == "127.0.0.1"  # the one of the first start has a socket alone
        assert "PGPORT" in services()[name]["environment"]
    # Otherwise the first start waits for a standby whose role it is about to make.
    assert "synchronous_commit=local" in services()["postgres"]["environment"]["PGOPTIONS"]
