from pathlib import Path

import pytest

from inference_site.stack.console import Console

INFO = {
    "api": "http://127.0.0.1:1", "admin": "http://127.0.0.1:1/admin/", "flower": "http://127.0.0.1:3",
    "database": "database", "broker": "broker", "rabbitmq_management": "", "token": "inf_token",
    "admin_user": "admin", "admin_password": "word",
}  # fmt: skip


def test_steps_are_shown_as_they_happen_and_results_apart_from_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console()
    console.step("starts postgres")
    console.ready(INFO, Path("/run"), at_length=True)
    out, err = capsys.readouterr()
    assert err.endswith(" s  starts postgres\n")
    assert out.startswith("ready: http://127.0.0.1:1 (/run/stack.json)\n")
    for value in ("inf_token", "http://127.0.0.1:1/admin/  admin / word", "http://127.0.0.1:3  admin / word",
                  "database", "broker"):  # fmt: skip
        assert value in out


def test_beside_a_command_the_addresses_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Console().ready(INFO, Path("/run"), at_length=False)
    assert capsys.readouterr().out == "ready: http://127.0.0.1:1 (/run/stack.json)\n"
