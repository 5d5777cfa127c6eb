"""Jobs that an open circuit refuses have no row: the report says for how long an arm had such."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs.core.errors import CircuitOpenError
from jobs.management.rollouts.ab_printed import ab_text
from jobs.models import Event
from jobs.services.ab_tests.ab_page import ab_page
from jobs.services.circuits.operate import close_by_hand, open_by_hand
from jobs.services.circuits.reads import forget_circuits
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.support.ab_tests import ab_rule, began, report, send_to_both_arms
from tests.support.rules import rule
from tests.support.submit import owner


@pytest.mark.parametrize("sticky", ["job", "input", "client", "metadata:/user"])
def test_the_time_in_which_the_stable_arm_s_circuit_was_open_makes_the_test_invalid(
    db: str, sticky: str
) -> None:
    """Its jobs are refused then, and no row is left of them: the other arm alone goes on."""
    put = ab_rule(sticky=sticky)
    send_to_both_arms()
    assert report(put).valid
    stable = selectors.resolve("echo:1")
    open_by_hand(version=stable, actor="olga")
    forget_circuits()
    outcomes = send_to_both_arms()
    assert any(isinstance(outcome, CircuitOpenError) for outcome in outcomes)
    close_by_hand(version=stable, actor="olga")
    shown = report(put)
    one, two = shown.arms
    assert one.refused_s > 0.0
    assert (two.refused_s, one.moved, two.moved) == (0.0, 0, 0)
    assert not shown.valid
    assert shown.sentence.startswith("INVALID: ")
    assert "jobs of 1 were refused for" in shown.sentence


@pytest.mark.parametrize(
    ("opened_s", "closed_s", "refused_s"),
    [(1_800, 900, 900), (10_000, 3_500, 100), (10_000, 4_000, 0), (30, 10, 20), (60, None, 60)],
)
def test_a_circuit_counts_for_as_long_as_it_was_open_while_the_rule_was_in_force(
    db: str, opened_s: float, closed_s: float | None, refused_s: float
) -> None:
    put = ab_rule(sticky="client")
    send_to_both_arms()
    began(put, timedelta(hours=1))
    for state, ago_s in (("open", opened_s), ("resting", opened_s / 2), ("closed", closed_s)):
        if ago_s is not None:
            changed("1", state, ago_s)
    shown = report(put)
    assert shown.arms[0].refused_s == pytest.approx(refused_s, abs=2.0)
    assert shown.valid is (refused_s <= 36)
    if refused_s == 900:
        assert shown.sentence.startswith("INVALID: jobs of 1 were refused for 900 of 3,600 s")
        assert "<td>900</td>" in ab_page(shown)
        assert "refused for 900 s" in ab_text(shown)


def test_a_circuit_that_opens_after_the_test_is_no_part_of_it(db: str) -> None:
    put = ab_rule(sticky="client")
    send_to_both_arms()
    began(put, timedelta(hours=1))
    changed("1", "open", 1_000)
    assert report(put).arms[0].refused_s == pytest.approx(1_000, abs=2.0)
    began(rule(candidate=None, share=0.0), timedelta(minutes=30))
    shown = report(put)
    assert (shown.arms[0].refused_s, shown.valid) == (0.0, True)


def test_a_circuit_that_opens_after_the_first_jobs_of_a_larger_test_is_no_part_of_these(db: str) -> None:
    put = ab_rule(sticky="client")
    send_to_both_arms()
    open_by_hand(version=selectors.resolve("echo:1"), actor="olga")
    assert report(put).arms[0].refused_s > 0.0
    assert report(put, most=5).arms[0].refused_s == 0.0


def changed(version: str, state: str, ago_s: float) -> None:
    """Note a change of a circuit so many seconds ago."""
    row = ModelVersion.objects.get(version=version)
    detail = {"version": row.pk, "client": 0, "state": state, "reason": "a test"}
    Event.objects.create(kind="circuit", actor="breaker", detail=detail, at=Now() - timedelta(seconds=ago_s))


def test_a_client_whose_own_circuit_was_open_at_the_stable_arm_is_counted(db: str) -> None:
    put = ab_rule(sticky="job")
    stable = selectors.resolve("echo:1")
    open_by_hand(version=stable, client=owner("c1").id, actor="olga")
    forget_circuits()
    send_to_both_arms()
    shown = report(put)
    assert [(arm.refused_s, arm.refused_clients) for arm in shown.arms] == [(0.0, 1), (0.0, 0)]
    assert "jobs of 1 client at 1 were refused" in shown.sentence


def test_an_arm_that_is_not_stable_has_jobs_refused_while_both_circuits_are_open(db: str) -> None:
    put = ab_rule(sticky="job")
    for name in ("echo:2", "echo:1"):
        open_by_hand(version=selectors.resolve(name), actor="olga")
    forget_circuits()
    assert all(isinstance(outcome, CircuitOpenError) for outcome in send_to_both_arms())
    one, two = report(put).arms
    assert 0.0 < two.refused_s <= one.refused_s
