"""Whole plans: goals with and without a zone, mixes of kinds, shared workers, what is full first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jobs.core.planning.fleet_planner import plan_fleet
from jobs.core.planning.hour_allocation import InfeasiblePlanError
from jobs.core.planning.plan_reader import PlanFileError, read_plan
from jobs.core.planning.plan_report import FleetPlan
from tests.unit.jobs.core.planning.documents import chance_of, document, no_history, read


def planned(**changes: Any) -> FleetPlan:
    return plan_fleet(read(**changes), chance_of)


def test_the_same_document_gives_the_same_plan_byte_for_byte() -> None:
    first, second = (msgspec.json.encode(planned(survive_zones=1)) for _ in range(2))
    assert first == second


def test_the_goal_holds_at_the_peak_without_the_largest_zone() -> None:
    with_loss, without = planned(survive_zones=1), planned()
    for plan in (with_loss, without):
        assert plan.verdict == "holds"
        assert all(one.p95_ms["minilm"] <= 300 for one in plan.groups[0].hours)
    peak = with_loss.groups[0].hours[1]
    assert peak.total > without.groups[0].hours[1].total
    assert peak.p95_after_loss_ms["minilm"] <= 300
    assert peak.load_after_loss <= 0.95
    largest = max(sum(w.workers for w in peak.workers if w.zone == zone) for zone in "abc")
    assert peak.total - largest < peak.total
    lost = [one for one in with_loss.critical if one.after_loss]
    assert lost[0].workers == peak.total - largest
    assert all(one.met for one in with_loss.critical)


def test_load_and_not_only_the_goal_limits_workers() -> None:
    plan = planned(most_load=0.5)
    assert all(one.load <= 0.5 for one in plan.groups[0].hours)
    assert plan.groups[0].hours[1].total > planned(most_load=0.9).groups[0].hours[1].total


def test_a_tight_goal_takes_more_workers_than_the_load_does() -> None:
    loose, tight = planned(), planned(models__minilm__p95_goal_s=0.105)
    assert tight.groups[0].hours[1].total > loose.groups[0].hours[1].total
    assert all(one.p95_ms["minilm"] <= 105 for one in tight.groups[0].hours)


def test_a_peak_within_the_hour_is_planned_for() -> None:
    assert planned(models__minilm__peak=2).groups[0].hours[1].total > planned().groups[0].hours[1].total


def test_a_goal_out_of_reach_names_the_best_p95() -> None:
    with pytest.raises(InfeasiblePlanError, match=r"the best p95 of minilm is 0\.06.*its goal 0\.05 s"):
        planned(models__minilm__p95_goal_s=0.05)


def test_too_few_devices_are_named() -> None:
    with pytest.raises(InfeasiblePlanError, match="At hour 1 minilm needs at least 5 workers"):
        planned(devices__l4__most_per_zone=1)


def test_the_cheaper_kind_is_taken_until_a_zone_has_no_more_of_it() -> None:
    fast = {"price_per_h": 9.0, "memory_gib": 24, "speed": 2.0}
    plan = planned(devices__fast=fast, devices__l4__most_per_zone=1)
    kinds = {own.device: own.workers for own in plan.groups[0].hours[1].workers}
    assert plan.groups[0].hours[0].workers[0].device == "l4"
    assert "fast" in kinds
    dear = planned(devices__fast=fast | {"price_per_h": 1.5})
    assert {own.device for own in dear.groups[0].hours[1].workers} == {"fast"}


def two_small(**changes: Any) -> FleetPlan:
    own = document(models__minilm__arrivals_per_s=[20, 30], **changes)
    own["models"]["tagger"] = own["models"]["minilm"] | {"memory_gib": 20}
    return plan_fleet(read_plan(own, no_history), chance_of)


def test_small_models_share_workers_where_they_fit_a_device_together() -> None:
    plan = two_small()
    assert [group.models for group in plan.groups] == [["minilm", "tagger"]]
    assert "22 GiB" in plan.groups[0].why
    assert plan.cost == 2.0
    apart = two_small(devices__l4__memory_gib=21)
    assert [group.models for group in apart.groups] == [["minilm"], ["tagger"]]
    assert "no device that may serve it holds another model" in apart.groups[0].why
    assert apart.cost == 4.0


def test_a_large_model_stays_alone() -> None:
    own = document(models__minilm__arrivals_per_s=[6000])
    own["models"]["tagger"] = own["models"]["minilm"] | {"arrivals_per_s": [20]}
    plan = plan_fleet(read_plan(own, no_history), chance_of)
    assert [group.models for group in plan.groups] == [["minilm"], ["tagger"]]
    assert "fills many workers" in plan.groups[0].why


def test_a_model_that_no_device_holds_is_named() -> None:
    with pytest.raises(PlanFileError, match=r"models\.minilm\.memory_gib is 40"):
        planned(models__minilm__memory_gib=40)


def test_the_fullest_part_is_named_and_one_that_is_too_small_breaks_the_plan() -> None:
    plan = planned(parts__postgres={})
    assert (plan.verdict, plan.saturates_first) == ("part_full", "postgres")
    assert plan.reasons == ["postgres can do 1,538 jobs/s, hour 1 has 2,000"]
    assert not next(part for part in plan.parts if part.name == "postgres").stated
    wide = planned(parts__postgres__cores=8, parts__postgres__jobs_per_s=None)
    assert (wide.verdict, wide.saturates_first) == ("holds", "device")


def test_devices_are_paid_from_their_start() -> None:
    plan = planned(
        devices__l4__start_s=3000, models__minilm__load_s=600, models__minilm__arrivals_per_s=[400, 2000]
    )
    first, second = (one.total for one in plan.groups[0].hours)
    assert plan.start_cost == second - first
    assert plan.cost == first + second


def test_an_hour_without_arrivals_has_no_workers() -> None:
    plan = planned(models__minilm__arrivals_per_s=[0, 400], survive_zones=1)
    assert (plan.groups[0].hours[0].total, plan.groups[0].hours[0].p95_ms) == (0, {"minilm": 0.0})
