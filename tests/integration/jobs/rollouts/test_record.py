"""What is read of roll-outs: views, points, rules, the change record and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from jobs.exporting.page_reading import read_page
from jobs.models import Trial, TrialKind, TrialState
from jobs.services.rollouts import acts
from jobs.services.rollouts.change_record import record, record_markdown
from jobs.services.rollouts.reads import list_rollouts, points, rollout_view, rules_of
from models_registry import selectors
from models_registry.core.registry_errors import ModelNotFoundError, RolloutNotFoundError
from models_registry.models import RegisteredModel, Rollout
from tests.support.rollout_rows import Judged


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def test_a_view_has_shares_from_0_to_1_and_what_the_judge_found() -> None:
    judged = Judged()
    judged.running()
    judged.bad(2)
    judged.look()
    view = rollout_view(judged.id)
    assert (view.model, view.alias, view.stable, view.candidate) == ("echo", "default", "1", "2")
    assert (view.share, view.steps, view.step) == (0.1, [0.1, 0.5, 1.0], 0)
    assert view.rule == 2
    assert view.numbers["failed"] == 2
    with pytest.raises(RolloutNotFoundError):
        rollout_view(judged.id + 1)


def test_roll_outs_are_listed_newest_first_by_state_and_model() -> None:
    first = Judged()
    acts.cancel(first.id, actor="olga")
    second = Judged()
    assert [view.id for view in list_rollouts()] == [second.id, first.id]
    assert [view.id for view in list_rollouts(state="cancelled")] == [first.id]
    assert [view.id for view in list_rollouts(model="echo", most=1)] == [second.id]
    assert list_rollouts(model="none") == []


def test_rules_are_read_newest_first() -> None:
    judged = Judged()
    judged.running()
    assert [rule.number for rule in rules_of("echo")] == [2, 1]
    assert rules_of("echo", "beta") == []
    with pytest.raises(ModelNotFoundError):
        rules_of("none")


def test_points_can_be_read_from_one_on() -> None:
    judged = Judged()
    judged.running()
    every = points(judged.id)
    assert [point.act for point in every] == ["start", "gate", "pass"]
    assert points(judged.id, after=every[1].id) == every[2:]


def test_the_record_says_who_why_what_was_tried_what_was_found_and_who_approved() -> None:
    judged = Judged(budget=500)
    Rollout.objects.update(ticket="CHG-7")
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    acts.approve(judged.id, actor="paula")
    judged.running()
    Trial.objects.create(
        kind=TrialKind.GATE, rollout=judged.id, model="echo", candidate=judged.candidate, actor="platform",
        state=TrialState.DONE, outcome="It passed.", report={"passed": True},
    )  # fmt: skip
    judged.bad()
    judged.look()
    made = json.loads(json.dumps(record(judged.id), default=str))
    assert made["by"] == {"actor": "olga", "reason": "faster", "ticket": "CHG-7"}
    assert made["approvals"]["required"] == 1
    assert [one["actor"] for one in made["approvals"]["given"]] == ["paula"]
    assert made["gate"]["outcome"] == "It passed."
    assert made["exposure"] == {"met": 0, "budget": 500, "proven": False}
    assert [act["act"] for act in made["acts"]] == ["start", "approve", "gate", "pass", "roll_back"]
    assert made["acts"][-1]["numbers"]["failed"] == 40
    assert [rule["share"] for rule in made["rules"]] == [0.0, 0.1, 0.0]
    text = record_markdown(judged.id)
    for words in ("rolled_back", "CHG-7", "paula", "It passed.", "e_failures"):
        assert words in text
    assert len(made["sha256"]) == 64


def test_what_people_wrote_stays_in_its_cell_of_the_record() -> None:
    judged = Judged()
    acts.cancel(judged.id, actor="olga", reason="a | b\n# no heading <b>")
    text = record_markdown(judged.id)
    assert "a \\| b # no heading &lt;b>" in text
    assert "\n# no" not in text


def test_pages_of_metrics_show_live_roll_outs_and_no_ended_ones() -> None:
    judged = Judged(budget=50)
    judged.running()
    Rollout.objects.update(met=50)
    judged.look()
    (row,) = dict(read_page())["rollouts"]
    assert (row.model, row.alias, row.hold, row.met, row.budget) == ("echo", "default", "budget", 50, 50)
    assert row.e_values.keys() >= {"failures", "refusals", "latency"}
    acts.cancel(judged.id, actor="olga")
    assert not dict(read_page())["rollouts"]
