"""What the judge decides: one test for each rule of holding, going on and going back."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from models_registry.core.registry_errors import EvidenceError
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence, absorb
from models_registry.core.rollouts.evidence.tick import ArmTick, Tick
from models_registry.core.rollouts.judge import judge
from models_registry.core.rollouts.judging.judge_act import ActKind, JudgeAct
from models_registry.core.rollouts.judging.standing import RolloutStanding
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import (
    ROLLOUT_TRANSITIONS,
    HoldReason,
    RolloutState,
    RolloutVerb,
)

PLAN = Plan()
NUMBERS = count(1)
RUNNING, HELD, BAKING = RolloutState.RUNNING, RolloutState.HELD, RolloutState.BAKING
DUELS = DuelEvidence(pairs=1_800, timed=200, slower=10)
A_DAY = 86_400.0


def arm(seen: int, failed: int = 0, refused: int = 0) -> ArmTick:
    keys = [next(NUMBERS) for _ in range(seen)]
    return ArmTick(frozenset(keys), frozenset(keys[:failed]), frozenset(keys[failed : failed + refused]))


def shown(
    *, failed: int = 0, looks: int = 1, deaths: int = 0, step: int = 0, ours: int = 20
) -> GatheredEvidence:
    evidence = GatheredEvidence()
    for look in range(looks):
        tick = Tick(arm(ours, failed), arm(19 * ours), share_ppm=10_000, step=step)
        evidence = absorb(evidence, tick)
        if not look and deaths:
            evidence = absorb(evidence, Tick(ArmTick(deaths=deaths), ArmTick(), share_ppm=10_000, step=step))
    return evidence


NOTHING, FINE = GatheredEvidence(), shown()
SUSPICIOUS = shown(failed=2)  # e = 51
WORSE = shown(failed=5)
MUCH = shown(looks=70)  # 1,400 keys at 5 %


def acted(
    standing: RolloutStanding,
    evidence: GatheredEvidence = FINE,
    duels: DuelEvidence | None = None,
    plan: Plan = PLAN,
) -> JudgeAct:
    return judge(plan, standing, evidence, duels or DuelEvidence())


def running(**values: Any) -> RolloutStanding:
    given: dict[str, Any] = {
        "state": RUNNING,
        "budget": 100,
        "share_ppm": 10_000,
        "arrivals_per_s": 1.0,
    } | values
    return RolloutStanding(**given)


def held(reason: HoldReason, **values: Any) -> RolloutStanding:
    return running(state=HELD, held=reason, **values)


def test_a_worse_candidate_goes_back_from_every_state_with_the_numbers_that_say_why() -> None:
    standings = [running(), running(state=BAKING, proven=True), *(held(reason) for reason in HoldReason)]
    for standing in standings:
        act = acted(standing, WORSE)
        assert (act.kind, act.reason, act.share_ppm) == (ActKind.ROLL_BACK, "failures", 0)
        assert act.numbers["e_failures"] >= 200
        assert (act.numbers["failed"], act.numbers["failed_stable"]) == (5, 0)
        assert act.sentence.startswith("Rolled back for failures: 5 failed against 0.0 expected; e = ")


def test_strong_evidence_of_a_difference_too_small_to_matter_does_not_roll_back() -> None:
    evidence = GatheredEvidence()
    for _ in range(100):  # 0.15 points worse, over 200,000 jobs
        evidence = absorb(evidence, Tick(arm(2_000, 5), arm(2_000, 2), share_ppm=10_000))
    assert evidence.failures.e > 200
    assert 0.001 < evidence.failures.harm < 0.002
    assert acted(running(proven=True), evidence).kind is ActKind.KEEP


def test_refusals_need_five_times_the_evidence_of_failures() -> None:
    evidence = absorb(GatheredEvidence(), Tick(arm(20, 0, 3), arm(380), share_ppm=10_000))
    assert 200 < evidence.refusals.e < 1_000
    assert acted(running(), evidence).held is HoldReason.SUSPICIOUS
    evidence = absorb(evidence, Tick(arm(20, 0, 3), arm(380), share_ppm=10_000))
    act = acted(running(), evidence)
    assert (act.kind, act.reason) == (ActKind.ROLL_BACK, "refusals")
    assert "6 refused against 0.0 expected" in act.sentence


def test_a_slower_candidate_goes_back_live_and_in_duels() -> None:
    slow, fast = ArmTick(latencies_s=(3.0,) * 30), ArmTick(latencies_s=(1.0,) * 30)
    evidence = FINE
    for _ in range(2):
        evidence = absorb(evidence, Tick(slow, ArmTick(), fast, share_ppm=10_000))
    assert acted(running(), evidence).reason == "latency"
    assert acted(running(), duels=DuelEvidence(timed=64, slower=60)).reason == "duel_time"
    assert acted(running(), duels=DuelEvidence(timed=64, slower=34)).kind is ActKind.KEEP


def test_duels_that_only_the_candidate_fails_roll_back_without_a_single_job() -> None:
    act = acted(running(), NOTHING, DuelEvidence(pairs=900, candidate_failed=15))
    assert (act.kind, act.reason) == (ActKind.ROLL_BACK, "duel_failures")
    assert acted(running(), NOTHING, DuelEvidence(pairs=900, stable_failed=15)).kind is not ActKind.ROLL_BACK


def test_agreement_rolls_back_only_where_the_plan_sets_a_limit() -> None:
    duels = DuelEvidence(pairs=900, compared=900, agreed=700)
    assert acted(running(), duels=duels).kind is ActKind.KEEP
    assert acted(running(), duels=duels, plan=Plan(least_agreement=0.9)).reason == "agreement"
    assert acted(running(), duels=duels, plan=Plan(least_agreement=0.7)).kind is ActKind.KEEP


def test_the_first_death_takes_the_share_away_and_60_s_later_it_is_back() -> None:
    evidence = shown(deaths=1)
    act = acted(running(step=1, share_ppm=50_000), evidence)
    assert (act.kind, act.held, act.share_ppm) == (ActKind.HOLD, HoldReason.WORKER_DEATH, 0)
    assert act.numbers["deaths"] == 1
    standing = held(HoldReason.WORKER_DEATH, step=1, share_ppm=0, deaths_held=1, in_state_s=59.9)
    assert acted(standing, evidence).kind is ActKind.KEEP
    standing = held(HoldReason.WORKER_DEATH, step=1, share_ppm=0, deaths_held=1, in_state_s=60.0)
    back = acted(standing, evidence)
    assert (back.kind, back.share_ppm, back.step) == (ActKind.RESUME, 50_000, 1)
    assert acted(running(deaths_held=1), evidence).kind is ActKind.KEEP


def test_it_stays_held_while_jobs_of_the_dead_worker_have_no_answer() -> None:
    standing = held(HoldReason.WORKER_DEATH, share_ppm=0, deaths_held=1, in_state_s=900.0, suspects=1)
    assert acted(standing, shown(deaths=1)).kind is ActKind.KEEP


@pytest.mark.parametrize("standing", [running(deaths_held=1), running(state=BAKING, proven=True)])
def test_the_second_death_rolls_back(standing: RolloutStanding) -> None:
    act = acted(standing, shown(deaths=2))
    assert (act.kind, act.reason) == (ActKind.ROLL_BACK, "worker_deaths")
    assert act.sentence == "Rolled back: 2 workers died with its jobs in hand."


def test_a_met_budget_holds_at_share_0_and_says_what_was_met() -> None:
    act = acted(running(budget=50, met=50), SUSPICIOUS)
    assert (act.kind, act.held, act.share_ppm) == (ActKind.HOLD, HoldReason.BUDGET, 0)
    assert act.sentence == "Held: 50 of 50 budgeted jobs met, 2 failed against 0.0 expected; e = 51 of 200."


@pytest.mark.parametrize("reason", [HoldReason.SUSPICIOUS, HoldReason.STARVED])
def test_a_budget_that_ends_while_the_share_is_kept_takes_it_away(reason: HoldReason) -> None:
    act = acted(held(reason, met=100), SUSPICIOUS)
    assert (act.kind, act.held, act.share_ppm) == (ActKind.HOLD, HoldReason.BUDGET, 0)


def test_a_held_budget_goes_on_when_more_is_granted_or_the_duels_are_done() -> None:
    assert acted(held(HoldReason.BUDGET, met=100, share_ppm=0)).kind is ActKind.KEEP
    granted = acted(held(HoldReason.BUDGET, met=100, budget=200, share_ppm=0))
    assert (granted.kind, granted.share_ppm) == (ActKind.RESUME, 10_000)
    assert acted(held(HoldReason.BUDGET, met=100, share_ppm=0), duels=DUELS).kind is ActKind.PROVE
    assert acted(held(HoldReason.BUDGET, met=100, share_ppm=0, proven=True)).kind is ActKind.RESUME


def test_a_death_while_the_budget_is_met_ends_in_the_budget_s_hold_again() -> None:
    standing = held(HoldReason.WORKER_DEATH, met=100, share_ppm=0, deaths_held=1, in_state_s=60.0)
    act = acted(standing, shown(deaths=1))
    assert (act.kind, act.held) == (ActKind.HOLD, HoldReason.BUDGET)


def test_a_proven_candidate_has_no_budget() -> None:
    assert acted(running(met=10_000, proven=True)).kind is ActKind.KEEP


def test_enough_keys_prove_and_too_few_do_not() -> None:
    act = acted(running(), MUCH)
    assert (act.kind, act.sentence[:29]) == (ActKind.PROVE, "Proven: 1,400 jobs were judge")
    assert acted(running(), shown(looks=60)).kind is ActKind.KEEP  # 1,200


def test_enough_duels_prove_and_more_are_needed_where_they_differ() -> None:
    assert acted(running(), duels=DUELS).kind is ActKind.PROVE
    noisy = DuelEvidence(pairs=1_800, candidate_failed=18, stable_failed=18)
    act = acted(running(), duels=noisy)
    assert act.kind is ActKind.KEEP
    assert act.numbers["pairs_needed"] > 8_000
    assert acted(running(), duels=DUELS, plan=Plan(duels=0)).kind is ActKind.KEEP


def test_nothing_is_proven_while_it_is_suspicious() -> None:
    act = acted(running(), SUSPICIOUS, DUELS)
    assert (act.kind, act.held, act.share_ppm) == (ActKind.HOLD, HoldReason.SUSPICIOUS, 10_000)
    assert acted(held(HoldReason.SUSPICIOUS), SUSPICIOUS, DUELS).kind is ActKind.KEEP


def test_suspicion_is_over_below_10_so_that_it_does_not_come_and_go_at_20() -> None:
    evidence = SUSPICIOUS
    kinds: list[ActKind] = []
    while not kinds or kinds[-1] is not ActKind.RESUME:
        evidence = absorb(evidence, Tick(arm(50), arm(950, 1), share_ppm=10_000))
        kinds.append(acted(held(HoldReason.SUSPICIOUS), evidence).kind)
        assert len(kinds) < 100
    assert evidence.failures.e <= 10
    assert set(kinds[:-1]) == {ActKind.KEEP}


def test_a_step_needs_its_time_enough_evidence_and_jobs_of_its_own() -> None:
    proven = running(proven=True, at_step_s=600.0)
    act = acted(proven, MUCH)
    assert (act.kind, act.step, act.share_ppm) == (ActKind.STEP, 1, 50_000)
    assert acted(running(proven=True, at_step_s=599.0), MUCH).kind is ActKind.KEEP
    assert acted(proven, FINE).kind is ActKind.KEEP
    assert acted(proven, NOTHING, DUELS).kind is ActKind.KEEP  # no job at this step
    assert acted(proven, FINE, DUELS).kind is ActKind.STEP


def test_evidence_of_an_earlier_step_is_no_job_of_this_one() -> None:
    evidence = absorb(MUCH, Tick(ArmTick(), ArmTick(), share_ppm=50_000, step=1))
    assert (
        acted(running(proven=True, at_step_s=A_DAY / 2, step=1, share_ppm=50_000), evidence).kind
        is ActKind.KEEP
    )


def test_the_last_step_bakes_with_the_old_version_s_holdback() -> None:
    evidence = shown(step=3)
    act = acted(running(proven=True, at_step_s=600.0, step=3, share_ppm=500_000), evidence, DUELS)
    assert (act.kind, act.step, act.share_ppm) == (ActKind.BAKE, 4, 990_000)
    assert acted(running(proven=True, at_step_s=600.0, step=4), shown(step=4), DUELS).kind is ActKind.BAKE


def test_baking_ends_after_its_time_and_never_while_it_is_suspicious() -> None:
    baking: dict[str, Any] = {"state": BAKING, "proven": True, "step": 4, "share_ppm": 990_000}
    assert acted(running(**baking, in_state_s=A_DAY - 1)).kind is ActKind.KEEP
    act = acted(running(**baking, in_state_s=A_DAY))
    assert (act.kind, act.share_ppm) == (ActKind.FINISH, 1_000_000)
    assert acted(running(**baking, in_state_s=9 * A_DAY), SUSPICIOUS).kind is ActKind.KEEP


def test_while_it_bakes_the_candidate_is_the_large_side_and_still_goes_back() -> None:
    evidence = GatheredEvidence()
    for _ in range(4):
        evidence = absorb(evidence, Tick(arm(1_000, 60), arm(100), share_ppm=990_000, step=4))
    assert acted(running(state=BAKING, proven=True, step=4, share_ppm=990_000), evidence).reason == "failures"


def test_without_enough_jobs_it_starves_and_neither_goes_on_nor_back() -> None:
    act = acted(running(at_step_s=A_DAY), NOTHING)
    assert (act.kind, act.held, act.share_ppm) == (ActKind.HOLD, HoldReason.STARVED, 10_000)
    assert acted(running(at_step_s=A_DAY - 1), NOTHING).kind is ActKind.KEEP
    assert (
        acted(held(HoldReason.STARVED, at_step_s=99 * A_DAY, in_state_s=99 * A_DAY), NOTHING).kind
        is ActKind.KEEP
    )
    assert acted(held(HoldReason.STARVED, proven=True), FINE, DUELS).kind is ActKind.RESUME


@pytest.mark.parametrize("reason", [HoldReason.PAUSED, HoldReason.APPROVAL])
@pytest.mark.parametrize("evidence", [NOTHING, FINE, MUCH, SUSPICIOUS, shown(deaths=1)])
def test_what_a_person_holds_only_a_person_lets_go_on(reason: HoldReason, evidence: GatheredEvidence) -> None:
    for standing in (
        held(reason, at_step_s=9 * A_DAY, in_state_s=9 * A_DAY),
        held(reason, met=100),
        held(reason, share_ppm=0, proven=True),
    ):
        act = acted(standing, evidence)
        assert act.kind in {ActKind.KEEP, ActKind.SHARE, ActKind.PROVE}
        assert act.share_ppm <= standing.share_ppm


def test_a_paused_candidate_loses_its_share_with_its_budget_or_its_worker() -> None:
    assert acted(held(HoldReason.PAUSED, met=100)).share_ppm == 0
    assert acted(held(HoldReason.PAUSED), shown(deaths=1)).share_ppm == 0
    assert acted(held(HoldReason.PAUSED)).kind is ActKind.KEEP


def test_an_unproven_candidate_s_next_tick_fits_in_its_budget() -> None:
    for arrivals_per_s in (1.0, 40.0, 5_000.0):
        standing = running(budget=50, met=30, share_ppm=250_000, step=2, arrivals_per_s=arrivals_per_s)
        share_ppm = acted(standing).share_ppm
        assert arrivals_per_s * standing.tick_s * share_ppm / 1e6 <= 20
        assert share_ppm > 0
    assert acted(running(budget=50, met=30, waiting=20)).share_ppm == 0


def test_the_share_grows_back_when_there_is_room_again_twice() -> None:
    def share(**values: Any) -> tuple[ActKind, int]:
        act = acted(running(share_ppm=5_000, arrivals_per_s=500.0, **values))
        return act.kind, act.share_ppm

    assert share(budget=15) == (ActKind.KEEP, 5_000)  # 10 a tick fit, but not with room to spare
    assert share(budget=20) == (ActKind.SHARE, 10_000)
    assert share(budget=1, proven=True) == (ActKind.SHARE, 10_000)


@pytest.mark.parametrize(("evidence", "waited_s"), [(SUSPICIOUS, 0.0), (NOTHING, A_DAY)])
def test_a_hold_that_keeps_the_share_keeps_no_more_than_the_budget_has_room_for(
    evidence: GatheredEvidence, waited_s: float
) -> None:
    share_ppm = 10_000
    tick_jobs = 1_000.0 * 2.0 * share_ppm / 1e6
    standing = running(budget=50, met=40, arrivals_per_s=1_000.0, at_step_s=waited_s)
    act = acted(standing, evidence)
    assert tick_jobs > 10
    assert 0 < act.share_ppm * 2_000 / 1e6 <= 10


def test_a_step_of_an_unproven_plan_is_paced_too() -> None:
    plan = Plan(steps=(100,))
    act = acted(running(budget=50, share_ppm=990_000, arrivals_per_s=5_000.0), NOTHING, plan=plan)
    assert act.kind is ActKind.SHARE
    assert act.share_ppm * 10_000 / 1e6 <= 50


def test_progress_says_how_much_longer() -> None:
    act = acted(running(budget=10_000, arrivals_per_s=10.0), shown(looks=21))
    assert act.kind is ActKind.KEEP
    assert act.sentence == "420 of about 1,300 jobs; at today's rate in 2 h 22 min."


def test_progress_at_a_low_rate_names_the_backtest() -> None:
    act = acted(running(arrivals_per_s=0.003), shown(looks=1, ours=20), DuelEvidence(pairs=100, seconds=20.0))
    assert act.sentence == (
        "20 of about 1,700 jobs; at today's rate in 21 months, the budget ends 100 jobs from now;"
        " 1,700 more duels on stored inputs would take 6 min."
    )


def test_numbers_are_numbers_of_json() -> None:
    assert "keys_needed" not in acted(running(), NOTHING).numbers
    assert "pairs_needed" not in acted(running(), plan=Plan(duels=0)).numbers


def test_every_act_is_a_transition_of_the_table() -> None:
    verbs = {
        ActKind.HOLD: RolloutVerb.HOLD,
        ActKind.RESUME: RolloutVerb.RESUME,
        ActKind.BAKE: RolloutVerb.BAKE,
        ActKind.FINISH: RolloutVerb.FINISH,
        ActKind.ROLL_BACK: RolloutVerb.ROLL_BACK,
    }
    seen = set()
    for evidence in (NOTHING, FINE, MUCH, SUSPICIOUS, WORSE, shown(deaths=1), shown(deaths=2)):
        for reason in (None, *HoldReason):
            for state in (RUNNING, BAKING) if reason is None else (HELD,):
                for met, proven, waited in (
                    (0, True, 0.0),
                    (0, False, 9 * A_DAY),
                    (100, False, 0.0),
                    (0, True, A_DAY),
                ):
                    standing = running(
                        state=state, held=reason, met=met, proven=proven, at_step_s=waited, in_state_s=waited
                    )
                    act = acted(standing, evidence)
                    seen.add(act.kind)
                    assert (act.held is not None) == (act.kind is ActKind.HOLD)
                    if act.kind in verbs:
                        assert state in ROLLOUT_TRANSITIONS[verbs[act.kind]][0]
    assert seen == set(ActKind) - {ActKind.BAKE}  # which the step before the last makes: see above


@pytest.mark.parametrize(
    "standing",
    [
        running(state=RolloutState.PLANNED),
        running(state=RolloutState.DONE),
        running(state=HELD),
        running(held=HoldReason.BUDGET),
        running(step=5),
        running(step=-1),
        running(met=-1),
        running(budget=-1),
        running(at_step_s=float("nan")),
        running(in_state_s=-1.0),
        running(arrivals_per_s=float("inf")),
        running(tick_s=0.0),
    ],
)
def test_a_standing_that_makes_no_sense_is_an_error(standing: RolloutStanding) -> None:
    with pytest.raises(EvidenceError):
        acted(standing)
