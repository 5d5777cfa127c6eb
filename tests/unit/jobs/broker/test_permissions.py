"""The rights of the broker's users: the committed ones are those that the topology makes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.broker.permissions import definitions, rights
from jobs.broker.topology import BrokerUser

ROOT = Path(__file__).parents[4]


def test_the_committed_definitions_are_those_of_the_topology() -> None:
    committed = json.loads((ROOT / "compose/definitions.template.json").read_text())
    assert committed == definitions(), "run `make broker-definitions`"


def test_the_command_prints_them_without_any_setting_or_server() -> None:
    env = {"PATH": os.environ["PATH"]}
    words = [sys.executable, "manage.py", "broker_permissions"]
    ended = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == definitions()


@pytest.mark.parametrize("user", BrokerUser)
def test_nobody_publishes_to_the_default_exchange_which_leads_to_every_queue(user: BrokerUser) -> None:
    assert not re.search(rights(user)["write"], "amq.default")


def test_who_watches_writes_to_no_job_and_reads_none() -> None:
    monitor = rights(BrokerUser.MONITOR)
    for name in ("infer", "infer.m", "infer.dlx", "infer.m.dead", "cpu", "tasks.cpu", "tasks.webhooks"):
        assert not [right for right, names in monitor.items() if re.search(names, name)], name
    assert not re.search(monitor["write"], "celeryev")


@pytest.mark.parametrize("user", BrokerUser)
def test_each_right_is_held_to_whole_names(user: BrokerUser) -> None:
    for names in rights(user).values():
        assert not re.search(names, "x.infer")
        assert not re.search(names, "cpu.x")
