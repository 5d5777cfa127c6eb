"""`make check` fails where promtool finds something wrong, and says so where there is no promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_site.stack.stack_errors import StackError
from inference_site.watching import rule_check
from inference_site.watching.rule_check import FOLDER, checks, main


def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    program = tmp_path / "promtool"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(rule_check, "find_tool", lambda _: program)


def test_the_configuration_and_every_test_of_rules_is_checked(tmp_path: Path) -> None:
    config, tests = checks(FOLDER, tmp_path)
    assert f'rule_files: ["{FOLDER}/rules/*.yaml"]' in Path(config[-1]).read_text()
    assert {*tests[2:]} == {str(path) for path in FOLDER.glob("tests/*")}


def test_it_succeeds_where_promtool_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, tmp_path, "exit 0")
    assert main() == 0
    assert "checked and tested" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["check", "test"])
def test_it_fails_where_either_check_does_and_shows_what_promtool_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    use(monkeypatch, tmp_path, f'test "$1" = {word} && echo wrong && exit 1; exit 0')
    assert main() == 1
    assert capsys.readouterr().out == "wrong\n"


def test_without_promtool_it_says_so_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere(_name: str) -> Path:
        raise StackError("no promtool: install it")

    monkeypatch.setattr(rule_check, "find_tool", nowhere)
    assert main() == 0
    assert "were NOT checked: no promtool: install it" in capsys.readouterr().out
