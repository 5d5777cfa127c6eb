"""The checker of the chaos suite finds each planted violation, and none in a clean history."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.chaos.checker import (
    FORGOTTEN,
    UNCOMPARED,
    Accepted,
    Change,
    Dump,
    History,
    RolledOut,
    Row,
    Shadowed,
    gather,
    judge,
)
from tests.chaos.records import ANY, COMPARED, FINE, POISON

Story = list[tuple[str | None, str | None, int, int]]
SUCCESS: Story = [(None, "queued", 0, 0), ("queued", "running", 1, 1), ("running", "succeeded", 1, 1)]
REAPED: Story = [
    *SUCCESS[:2], ("running", "queued", 2, 0), ("queued", "running", 3, 1), ("running", "succeeded", 3, 1),
]  # fmt: skip
RELEASED: Story = [
    *SUCCESS[:2], ("running", "queued", 2, 0), ("queued", "running", 3, 1), ("running", "succeeded", 3, 1),
]  # fmt: skip
BURIED: Story = [
    *SUCCESS[:2], ("running", "waiting", 1, 1), ("waiting", "running", 2, 2), ("running", "dead", 2, 2),
]  # fmt: skip
REPLAYED: Story = [*BURIED, ("dead", "queued", 3, 0), ("queued", "running", 4, 1), ("running", "dead", 4, 1)]
CANCELLED: Story = [(None, "queued", 0, 0), ("queued", "cancelled", 1, 0)]
EXPIRED: Story = [(None, "queued", 0, 0), ("queued", "running", 1, 1), ("running", "expired", 2, 1)]


class World:
    """A clean history with a job for each way to end, and the database after it."""

    def __init__(self) -> None:
        self.accepted: dict[str, Accepted] = {}
        self.changes: dict[str, list[Change]] = {}
        self.stored: dict[str, list[int]] = {}
        self.failed: dict[str, list[tuple[int, str]]] = {}
        self.forgotten: set[str] = set()
        self.ledger: dict[str, tuple[int, int]] = {}
        self.rows: dict[str, Row] = {}
        self.leftovers = {"the outbox": 0, "infer.echo": 0}
        self.dead_letters: set[tuple[str, int]] | None = None
        self.rollouts: list[RolledOut] = []
        self.moved: set[str] = set()
        self.exposed: dict[str, bool] = {}
        self.said: dict[str, list[float]] = {}
        self.feedback: dict[str, float] = {}
        self.shadows: list[Shadowed] = []
        self.steps: dict[str, str] = {}
        for name, story in (("plain", SUCCESS), ("reaped", REAPED), ("released", RELEASED)):
            self.add(name, story)
        self.add("buried", BURIED, expect=POISON)
        self.add("replayed", REPLAYED, expect=POISON)
        self.add("cancelled", CANCELLED)
        self.add("follower", [SUCCESS[0], ("queued", "succeeded", 0, 0)])
        self.add("answered", [(None, "succeeded", 0, 0)])
        self.add("expired", EXPIRED, expect=ANY, hurried=True)

    def add(self, job: str, story: Story, *, expect: str = FINE, hurried: bool = False) -> None:
        self.accepted[job] = Accepted(1.0, expect, hurried)
        self.changes[job] = [Change(2.0 + at, *step) for at, step in enumerate(story)]
        _, state, epoch, attempts = story[-1]
        won = state == "succeeded"
        self.stored[job] = [epoch] if won else []
        dead_letter = epoch if state == "dead" else None
        self.rows[job] = Row(str(state), epoch, attempts, 3, int(won), dead_letter)

    def alter(self, job: str, **fields: Any) -> None:
        self.rows[job] = dataclasses.replace(self.rows[job], **fields)

    def violations(self) -> set[tuple[str, str]]:
        history = History(
            self.accepted,
            self.changes,
            self.stored,
            {"cancelled"},
            self.failed,
            self.forgotten,
            self.said,
        )
        dump = Dump(
            self.rows, self.leftovers, self.dead_letters, self.ledger, self.rollouts, self.moved,
            self.exposed, self.feedback, self.shadows, self.steps,
        )  # fmt: skip
        verdict = judge(history, dump)
        return {(violation.rule, violation.job) for violation in verdict.violations}


@pytest.fixture
def world() -> World:
    return World()


def test_a_clean_history_passes(world: World) -> None:
    assert world.violations() == set()


def test_jobs_that_ran_again_are_counted(world: World) -> None:
    counts = judge(History(world.accepted, world.changes, world.stored), Dump(world.rows)).counts
    assert (counts["accepted"], counts["queued again"], counts["retried"]) == (9, 2, 2)


def test_a_lost_job_is_found(world: World) -> None:
    del world.rows["plain"]
    assert world.violations() == {("lost", "plain")}


def test_a_job_that_was_stored_and_deleted_is_found(world: World) -> None:
    world.changes["plain"].append(Change(9.0, "succeeded", None, 1, 1))
    del world.rows["plain"]
    assert world.violations() == {("lost", "plain"), ("transition", "plain")}


@pytest.mark.parametrize("state", ["queued", "waiting", "running"])
def test_a_stuck_job_is_found(world: World, state: str) -> None:
    steps: Story = [(None, "queued", 0, 0), ("queued", "running", 1, 1), ("running", state, 2, 1)]
    world.add("stuck", steps[: 1 + ["queued", "running", "waiting"].index(state)], expect=ANY)
    assert world.violations() == {("stuck", "stuck")}


def test_a_second_result_is_found_though_the_first_was_deleted(world: World) -> None:
    world.stored["plain"] = [1, 1]
    assert world.violations() == {("doubled", "plain")}


def test_a_result_without_success_is_found(world: World) -> None:
    world.alter("buried", results=1)
    assert world.violations() == {("result", "buried")}


def test_a_success_without_a_result_is_found(world: World) -> None:
    world.alter("plain", results=0)
    assert world.violations() == {("result", "plain")}


def test_a_way_out_of_success_is_found(world: World) -> None:
    again: Story = [
        ("succeeded", "queued", 2, 0),
        ("queued", "running", 3, 1),
        ("running", "succeeded", 3, 1),
    ]
    world.add("plain", [*SUCCESS, *again])
    assert world.violations() == {("transition", "plain")}


def test_two_ends_of_one_job_are_found(world: World) -> None:
    world.add("plain", [*SUCCESS, ("succeeded", "succeeded", 1, 1)])
    assert world.violations() == {("transition", "plain")}


def test_a_change_that_starts_where_the_last_did_not_end_is_found(world: World) -> None:
    world.add("plain", [SUCCESS[0], ("waiting", "running", 1, 1), SUCCESS[2]])
    assert world.violations() == {("transition", "plain")}


def test_a_change_that_no_row_shows_is_found(world: World) -> None:
    world.alter("plain", epoch=2)
    assert world.violations() == {("transition", "plain")}


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_that_does_not_grow_is_found(world: World, epoch: int) -> None:
    world.add("plain", [*SUCCESS[:2], ("running", "queued", epoch, 0), *REAPED[3:]])
    assert world.violations() == {("transition", "plain")}


def test_attempts_beyond_the_cap_are_found(world: World) -> None:
    world.alter("buried", max_attempts=1)
    assert world.violations() == {("attempts", "buried")}


@pytest.mark.parametrize("attempts", [0, 2])
def test_a_claim_that_miscounts_attempts_is_found(world: World, attempts: int) -> None:
    claimed: Story = [("queued", "running", 1, attempts), ("running", "succeeded", 1, attempts)]
    world.add("plain", [SUCCESS[0], *claimed], expect=ANY)
    assert world.violations() == {("transition", "plain")}


def test_an_innocent_charged_with_a_failure_is_found(world: World) -> None:
    retried: Story = [*BURIED[:4], ("running", "succeeded", 2, 2)]
    world.add("plain", retried)
    assert world.violations() == {("innocent", "plain")}


def test_an_innocent_charged_for_its_neighbour_is_found(world: World) -> None:
    reaped: Story = [("running", "queued", 2, 1), ("queued", "running", 3, 2), ("running", "succeeded", 3, 2)]
    world.add("plain", [*SUCCESS[:2], *reaped])
    assert world.violations() == {("charged", "plain")}


def test_an_innocent_that_was_buried_is_found(world: World) -> None:
    world.add("plain", BURIED)
    assert world.violations() == {("innocent", "plain")}


def test_a_poison_that_succeeded_is_found(world: World) -> None:
    world.add("buried", SUCCESS, expect=POISON)
    assert world.violations() == {("guilty", "buried")}


def test_a_cancelled_or_expired_job_without_a_reason_is_found(world: World) -> None:
    world.add("plain", CANCELLED, expect=ANY)
    world.add("expired", EXPIRED, expect=ANY)
    assert world.violations() == {("end", "plain"), ("end", "expired")}


@pytest.mark.parametrize(("job", "epoch"), [("buried", None), ("buried", 1), ("plain", 1)])
def test_a_dead_job_without_its_dead_letter_or_the_reverse_is_found(
    world: World, job: str, epoch: int | None
) -> None:
    world.alter(job, dead_letter=epoch)
    assert world.violations() == {("dead letter", job)}


def test_messages_in_the_dead_letter_queues_are_compared_and_stale_ones_do_not_count(world: World) -> None:
    world.dead_letters = {("buried", 2), ("replayed", 4), ("replayed", 2), ("unknown", 0)}
    assert world.violations() == set()
    world.dead_letters = {("buried", 2), ("plain", 1)}
    assert world.violations() == {("dead letter", "replayed"), ("dead letter", "plain")}


def test_a_verdict_says_that_the_dead_letter_queues_were_not_compared() -> None:
    assert judge(History({}, {}, {}), Dump({})).notes == [UNCOMPARED]
    assert judge(History({}, {}, {}), Dump({}, dead_letters=())).notes == []


def test_a_message_that_stays_in_a_queue_is_found(world: World) -> None:
    world.leftovers["infer.echo"] = 3
    assert world.violations() == {("leftover", "")}


def test_records_become_a_history() -> None:
    state = {"kind": "state", "job": "a", "before": None, "after": "queued", "epoch": 0, "attempts": 0}
    history = gather([
        {"at": 1.0, "kind": "accepted", "ids": ["a", "b"], "expects": [FINE, POISON], "hurried": True},
        {"at": 2.0, **state},
        {"at": 3.0, "kind": "result", "job": "a", "epoch": 1},
        {"at": 4.0, "kind": "cancel", "job": "b"},
        {"at": 4.0, "kind": "failed", "job": "b", "epoch": 2, "ground": "worker"},
        {"at": 4.0, "kind": "forgotten", "jobs": ["a"]},
        {"at": 5.0, "kind": "fault", "name": "x"},
    ])  # fmt: skip
    assert history.accepted == {
        "a": Accepted(1.0, FINE, hurried=True),
        "b": Accepted(1.0, POISON, hurried=True),
    }
    assert history.changes == {"a": [Change(2.0, None, "queued", 0, 0)]}
    assert (history.failed, history.forgotten) == ({"b": [(2, "worker")]}, {"a"})
    assert (history.stored, history.cancels) == ({"a": [1]}, {"b"})


def test_a_result_of_another_run_is_found(world: World) -> None:
    world.stored["reaped"] = [1]
    assert world.violations() == {("verdict", "reaped")}


@pytest.mark.parametrize(
    ("author", "epoch", "rules"),
    [("worker", 1, set()), ("worker", 2, set()), ("sweeper", 2, {"verdict"}), ("worker", 0, {"verdict"})],
)
def test_a_failure_of_another_run_is_found(world: World, author: str, epoch: int, rules: set[str]) -> None:
    world.failed["buried"] = [(epoch, author)]
    assert {rule for rule, _ in world.violations()} == rules


def test_a_job_taken_from_a_live_batch_is_found(world: World) -> None:
    reap = world.changes["reaped"][2]
    world.changes["reaped"][2] = dataclasses.replace(reap, ground="ended")
    assert world.violations() == set()
    world.changes["reaped"][2] = dataclasses.replace(reap, ground="live")
    assert world.violations() == {("reap", "reaped")}


@pytest.mark.parametrize("counted", [2, 4])
def test_a_batch_that_counts_other_successes_than_its_own_is_found(world: World, counted: int) -> None:
    world.ledger["batch"] = (counted, 3)
    assert world.violations() == {("ledger", "")}


def test_after_a_failover_a_batch_may_count_less_than_its_own(world: World) -> None:
    world.ledger["batch"], world.forgotten = (2, 3), {"plain"}
    assert world.violations() == set()


def test_a_job_that_only_a_lost_primary_knew_is_told_apart_and_any_other_is_lost(world: World) -> None:
    for job in ("plain", "reaped"):
        del world.rows[job], world.changes[job], world.stored[job]
    world.forgotten = {"plain"}
    assert world.violations() == {("lost", "reaped")}
    history = History(world.accepted, world.changes, world.stored, forgotten=world.forgotten)
    assert judge(history, Dump(world.rows)).counts[FORGOTTEN] == 1


SHADOWED = Shadowed(7, run=40, dropped=5, lost=3, open=2, jobs=60, answered=0, stops=1)


def test_a_shadow_that_no_job_notices_passes_and_its_copies_are_counted(world: World) -> None:
    world.shadows = [SHADOWED]
    assert world.violations() == set()
    history = History(world.accepted, world.changes, world.stored)
    assert judge(history, Dump(world.rows, shadows=[SHADOWED])).counts["copies run"] == 40


@pytest.mark.parametrize("fields", [{"answered": 1}, {"run": 51}, {"lost": 0}], ids=str)
def test_a_shadow_that_answers_or_copies_twice_or_stops_without_a_loss_is_found(
    world: World, fields: dict[str, Any]
) -> None:
    world.shadows = [dataclasses.replace(SHADOWED, **fields)]
    assert {rule for rule, _ in world.violations()} == {"shadow"}


ROLLED = RolledOut(1, "rolled_back", False, 50, 50, 40, 3, 50, 0, 48, 3)


def test_a_roll_out_within_its_budget_passes_and_is_counted(world: World) -> None:
    world.rollouts = [ROLLED]
    assert world.violations() == set()
    history = History(world.accepted, world.changes, world.stored)
    assert judge(history, Dump(world.rows, rollouts=[ROLLED])).counts["roll-outs rolled_back"] == 1


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"met": 51, "claimed": 51}, "budget"),
        ({"claimed": 51}, "budget"),
        ({"late": 1}, "late"),
        ({"judged": 49}, "evidence"),
        ({"failed": 4}, "evidence"),
    ],
)
def test_what_a_roll_out_must_not_do_is_found(world: World, fields: dict[str, Any], rule: str) -> None:
    world.rollouts = [dataclasses.replace(ROLLED, **fields)]
    assert world.violations() == {(rule, "")}


def test_a_proven_candidate_has_no_budget(world: World) -> None:
    world.rollouts = [dataclasses.replace(ROLLED, proven=True, met=90, claimed=95, jobs=95)]
    assert world.violations() == set()


def test_a_version_that_changed_without_an_event_is_found(world: World) -> None:
    world.moved = {"plain"}
    assert world.violations() == {("version", "plain")}


def test_a_job_of_the_a_b_test_has_one_arm_at_whose_version_it_began(world: World) -> None:
    world.accepted["plain"] = dataclasses.replace(world.accepted["plain"], compared=True)
    assert world.violations() == {("arm", "plain")}
    world.exposed = {"plain": True, "reaped": True}
    assert world.violations() == set()
    world.exposed = {"plain": False}
    assert world.violations() == {("arm", "plain")}


def test_feedback_that_was_acknowledged_is_stored_and_stays(world: World) -> None:
    world.said, world.feedback = {"plain": [1.0, 1.0]}, {"plain": 1.0, "reaped": 2.0}
    assert world.violations() == set()
    world.said = {"plain": [1.0, 2.0]}
    assert world.violations() == {("feedback", "plain")}
    world.said, world.feedback = {"plain": [1.0]}, {"plain": 2.0}
    assert world.violations() == {("feedback", "plain")}
    world.feedback = {}
    assert world.violations() == {("feedback", "plain")}
    world.forgotten = {"other"}
    assert world.violations() == set()


def test_the_records_of_the_load_say_what_was_acknowledged() -> None:
    accepted = {"kind": "accepted", "at": 1.0, "ids": ["a"], "expects": [FINE], "hurried": False}
    records = [accepted | {"model": COMPARED}, {"kind": "feedback", "job": "a", "value": 1.0}]
    history = gather(records)
    assert history.accepted["a"].compared
    assert history.said == {"a": [1.0]}
    assert not gather([accepted | {"model": "echo"}]).accepted["a"].compared


def test_steps_that_do_not_lead_to_a_job_s_end_are_found(world: World) -> None:
    world.steps = {"plain": "its steps have a gap"}
    assert world.violations() == {("steps", "plain")}


def test_a_cascade_s_escalation_and_its_earlier_answer_are_legal(world: World) -> None:
    world.add("escalated", [SUCCESS[0], SUCCESS[1], ("running", "queued", 2, 0), ("queued", "running", 3, 1),
                            ("running", "succeeded", 4, 1)])  # fmt: skip
    world.stored["escalated"] = [4]
    assert world.violations() == set()
