import json
import os
import runpy
import sys
from collections.abc import MutableMapping
from pathlib import Path

import pytest

from inference_site.stack import beside
from inference_site.stack.beside import FILE, use_settings, write_settings
from inference_site.stack.supervisor_lock import supervisor_lock

SETTINGS = {
    "DATABASE_URL": "postgresql://here/db", "BROKER_URL": "amqp://here//", "SECRET_KEY": "of-the-stack",
    "PAYLOAD_KEYS": "stack:key", "MODEL_ENTRY_POINTS": "shout:load",
}  # fmt: skip


def used(run_dir: Path, **given: str) -> dict[str, str]:
    environ = dict(given)
    with supervisor_lock(run_dir):
        write_settings(run_dir, ours=SETTINGS)
        use_settings(environ, run_dir)
    return environ


def test_a_terminal_that_sets_nothing_gets_the_settings_of_the_stack_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert used(tmp_path) == SETTINGS
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"manage.py: the settings are those of the stack in {tmp_path}\n")


def test_what_is_given_stays(tmp_path: Path) -> None:
    given = {"MODEL_ENTRY_POINTS": "mine:load", "DATABASE_URL": SETTINGS["DATABASE_URL"], "BROKER_URL": " "}
    assert used(tmp_path, **given) == {**SETTINGS, "MODEL_ENTRY_POINTS": "mine:load"}


@pytest.mark.parametrize("name", ["DATABASE_URL", "BROKER_URL", "SECRET_KEY"])
def test_other_servers_or_keys_get_nothing_of_the_stack_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert used(tmp_path, **{name: "another"}) == {name: "another"}
    assert f"{name} is not that of the stack" in capsys.readouterr().err


def test_a_process_that_has_all_it_needs_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {"DATABASE_URL": "postgresql://x/y", "BROKER_URL": "amqp://x", "SECRET_KEY": "x"}
    assert used(tmp_path, **whole) == whole
    assert capsys.readouterr().err == ""


def test_the_settings_of_a_stack_that_was_killed_are_not_used(tmp_path: Path) -> None:
    write_settings(tmp_path, ours=SETTINGS)
    environ = dict[str, str]()
    use_settings(environ, tmp_path)
    assert environ == {}


def test_the_file_is_private(tmp_path: Path) -> None:
    write_settings(tmp_path, ours=SETTINGS)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / FILE).read_text()) == SETTINGS


def test_every_command_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[MutableMapping[str, str]]()
    monkeypatch.setattr(beside, "use_settings", asked.append)
    monkeypatch.setattr(sys, "argv", ["manage.py", "version"])
    runpy.run_path(str(beside.RUN_DIR.parent / "manage.py"), run_name="__main__")
    assert asked == [os.environ]
