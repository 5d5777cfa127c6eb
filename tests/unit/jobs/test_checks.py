import os
import subprocess
import sys

import pytest
from django.conf import settings

from inference_site.config import Config
from jobs.checks import MISTAKE, check_environment


def test_each_mistake_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.from_env({"QUEUE_TYPE": "stream", "BROKER_URL": "amqp://broker//", "SECRET_KEY": "x"})
    monkeypatch.setattr(settings, "INFERENCE", config)
    messages = check_environment()
    assert [error.id for error in messages] == [MISTAKE, MISTAKE]
    assert "QUEUE_TYPE is 'stream'" in messages[0].msg


def test_a_command_refuses_to_start_with_a_mistake() -> None:
    # In a process of its own: here the checks are imported already.
    env = {**os.environ, "QUEUE_TYPE": "stream"}
    ended = subprocess.run(
        [sys.executable, "manage.py", "relay"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "QUEUE_TYPE is 'stream'" in ended.stderr
