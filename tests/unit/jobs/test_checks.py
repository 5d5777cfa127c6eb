from dataclasses import replace

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from inference_site.config import Config
from jobs.checks import MISTAKE, check_environment


def test_each_mistake_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.from_env({"QUEUE_TYPE": "stream", "BROKER_URL": "amqp://", "SECRET_KEY": "x"})
    monkeypatch.setattr(settings, "INFERENCE", config)
    found = check_environment()
    assert [error.id for error in found] == [MISTAKE, MISTAKE]
    assert "QUEUE_TYPE is 'stream'" in found[0].msg


def test_a_command_refuses_to_start_with_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(settings.INFERENCE, mistakes=("BROKER_URL is not set.",))
    monkeypatch.setattr(settings, "INFERENCE", config)
    with pytest.raises(SystemCheckError, match="BROKER_URL is not set"):
        call_command("declare_topology", skip_checks=False)
