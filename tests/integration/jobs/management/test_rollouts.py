"""`manage.py rollouts` and `manage.py rules`: thin shells over the services that the API calls too."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs.models import Event
from models_registry import selectors
from models_registry.models import Rollout, Rule
from tests.support.factories import make_version

CANARY = '{"stable": "1", "candidate": "2", "share": 0.5}'


@pytest.fixture(autouse=True)
def two_versions(db: str) -> None:
    selectors.forget()
    make_version("echo", "1")
    make_version("echo", "2")


def said(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().strip()


def rollouts(*arguments: str) -> str:
    return said("rollouts", *arguments)


def rules(*arguments: str) -> str:
    return said("rules", *arguments)


def as_json(command: str, *arguments: str) -> Any:
    return json.loads(said(command, *arguments, "--json"))


def start(*more: str) -> int:
    shown = as_json("rollouts", "start", "echo", "2", "--actor", "olga", "--reason", "better", *more)
    return int(shown["id"])


def test_a_roll_out_is_started_listed_shown_and_acted_on(tmp_path: Path) -> None:
    assert rollouts("list") == "There are no such roll-outs."
    (tmp_path / "plan.json").write_text('{"steps": [10, 100]}')
    one = start("--plan", f"@{tmp_path}/plan.json", "--ticket", "ML-31")
    row = Rollout.objects.get(pk=one)
    assert (row.plan["steps"], row.actor, row.ticket) == ([10, 100], "olga", "ML-31")
    assert f"{one}: echo:2 at default, planned" in rollouts("list", "--state", "planned")
    assert "ML-31" in rollouts("show", str(one))
    Rollout.objects.filter(pk=one).update(state="running")
    assert "held (paused)" in rollouts("pause", str(one), "--actor", "olga", "--reason", "a complaint")
    assert "running, 10.00%" in rollouts("resume", str(one), "--actor", "olga")
    assert "of 900 met" in rollouts("budget", str(one), "900", "--actor", "olga")
    assert "baking" in rollouts("promote", str(one), "--actor", "olga", "--anyway", "seen by hand")
    assert "rolled_back" in rollouts("roll-back", str(one), "--actor", "olga")
    events = Event.objects.filter(kind="rollout", actor="olga").order_by("id")
    done = list(events.values_list("detail__act", flat=True))
    assert done == ["start", "pause", "resume", "budget", "promote", "bake", "roll_back"]


def test_the_record_and_the_redrive_of_what_was_given_up() -> None:
    one = start()
    with pytest.raises(CommandError, match="planned"):
        rollouts("redrive", str(one))
    assert "cancelled" in rollouts("cancel", str(one), "--actor", "olga")
    assert rollouts("record", str(one)).startswith(f"# Roll-out {one}")
    assert as_json("rollouts", "record", str(one))["by"]["reason"] == "better"
    assert (
        rollouts("redrive", str(one))
        == "0 dead jobs would be replayed by the rule in force: --yes replays them."
    )
    assert as_json("rollouts", "redrive", str(one), "--yes", "--actor", "olga") == {"dead": 0, "replayed": 0}


def test_a_watch_prints_each_change_up_to_the_end() -> None:
    one = start()
    rollouts("cancel", str(one), "--actor", "olga")
    assert rollouts("watch", str(one)).startswith(f"{one}: echo:2 at default, cancelled")
    assert as_json("rollouts", "watch", str(one))["state"] == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "9"], "no roll-out 9"),
        (["watch", "9"], "no roll-out 9"),
        (["record", "9"], "no roll-out 9"),
        (["pause", "9", "--actor", "olga"], "no roll-out 9"),
        (["start", "nothing", "2"], "no model"),
        (["start", "echo", "9"], "echo:9"),
        (["start", "echo", "1"], "already"),
        (["start", "echo", "2", "--plan", '{"steps": [5, 1, 100]}'], "steps"),
        (["start", "echo", "2", "--plan", '{"steps": [NaN, 100]}'], "steps"),
        (["start", "echo", "2", "--plan", "@nowhere.json"], "@nowhere.json"),
    ],
)
def test_a_wrong_call_is_an_error_in_words_and_changes_nothing(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        rollouts(*arguments)
    assert not Rollout.objects.exists()


def test_who_started_a_roll_out_does_not_approve_it() -> None:
    one = start()
    with pytest.raises(CommandError, match="olga started"):
        rollouts("approve", str(one), "--actor", "olga")
    assert "vera" in rollouts("approve", str(one), "--actor", "vera")


def test_rules_are_put_shown_previewed_and_kept(tmp_path: Path) -> None:
    assert rules("show", "echo") == "The alias has no rule: it answers with the version that it points at."
    assert as_json("rules", "show", "echo") is None
    (tmp_path / "rule.json").write_text(CANARY)
    put = rules("put", "echo", f"@{tmp_path}/rule.json", "--actor", "olga", "--reason", "try it")
    assert put == "rule 1 of default: echo:1, and echo:2 for 50 %, by olga: try it"
    assert put in rules("show", "echo")
    rules("put", "echo", '{"stable": "1"}', "--actor", "olga")
    assert rules("history", "echo").splitlines() == ["rule 2 of default: echo:1, by olga", put]
    assert [rule["number"] for rule in as_json("rules", "history", "echo", "--alias", "default")] == [2, 1]
    asks = json.dumps([{"input": number} for number in range(20)])
    seen = as_json("rules", "preview", "echo", CANARY, "--asks", asks)
    assert (seen["total"], sum(seen["by_version"].values())) == (20, 20)
    assert "0 jobs" in rules("preview", "echo", CANARY, "--last", "10")
    assert Rule.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["put", "echo", '{"stable": "9"}'], "echo:9"),
        (["put", "echo", '{"stable": "1", "candidate": "2", "share": NaN}'], "share"),
        (["put", "echo", "[]"], "JSON object"),
        (["put", "echo", '{"stable": "1", "salt": "\\ud800"}'], "half of a surrogate pair"),
        (["preview", "echo", '{"\\udc00": 1}', "--last", "1"], "half of a surrogate pair"),
        (["put", "nothing", '{"stable": "1"}'], "no model"),
        (["history", "nothing"], "no model"),
        (["preview", "echo", CANARY], "--asks"),
        (["preview", "echo", CANARY, "--asks", '[{"surprise": 1}]'], "surprise"),
        (["preview", "echo", CANARY, "--last", "10001"], "10000"),
    ],
)
def test_a_wrong_rule_is_an_error_in_words(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        rules(*arguments)
    assert not Rule.objects.exists()
