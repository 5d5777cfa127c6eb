"""Roll-outs on the whole stack: a worse version goes back by itself, a good one reaches all traffic."""

import pytest

from inference_client import PlatformRefusedError
from inference_site.stack.harness import Stack
from tests.support.app import App
from tests.support.rollouts import CANDIDATE, CHUNK, FAST, STABLE, Pair, rolled
from tests.support.wait import wait_until

# Three points worse than none: 90 jobs of the candidate at the median, 170 in nine of ten runs, so that some
# 2,000 to 4,000 jobs in all are needed at a share of 5 %. The benchmark `rollouts` takes 20,000.
MOST_JOBS = 12_000
BUDGET = 400
WAITING = 3_000


def test_a_candidate_three_points_worse_goes_back_and_every_job_succeeds(stack: Stack, app: App) -> None:
    with rolled(stack, app, "worse", Pair({**FAST, "error_share": 0.03}), index=20) as model:
        rollout = model.start(steps=[5, 100], budget=BUDGET).id
        model.until(rollout, "running")
        ids = model.feed(lambda: model.now(rollout).state == "rolled_back", most=MOST_JOBS)
        over = model.until(rollout, "rolled_back")
        assert app.all_finished(ids) == {"succeeded": len(ids)}, over.sentence
        assert 0 < over.met <= BUDGET
        assert model.rescued(ids) > 0
        assert model.alias() == STABLE
        app.assert_each_ran_to_one_result(ids)
        with pytest.raises(PlatformRefusedError, match="blocked"):
            model.start()


def test_a_candidate_that_kills_its_worker_costs_two_workers_at_most(stack: Stack, app: App) -> None:
    with rolled(stack, app, "deadly", Pair({**FAST, "kill_share": 1}), index=24, workers=2) as model:
        rollout = model.start(steps=[50, 100], baseline=False).id
        model.until(rollout, "running")
        ids = app.bulk(model.model, model.inputs(CHUNK))
        held = model.until(rollout, "held", hold="worker_death")
        assert held.deaths == 1
        assert app.all_finished(ids) == {"succeeded": CHUNK}
        # It survived on the stable version, so that it was an unexplained death: the share comes back once.
        model.until(rollout, "running", limit_s=100)
        ids += model.feed(lambda: model.now(rollout).state != "running", most=10 * CHUNK, at_once=10)
        over = model.until(rollout, "rolled_back")
        assert over.deaths == 2
        assert app.all_finished(ids) == {"succeeded": len(ids)}
        assert set(model.ran_by(ids)) == {STABLE}


def test_without_jobs_a_candidate_is_starved_and_neither_promoted_nor_rolled_back(
    stack: Stack, app: App
) -> None:
    with rolled(stack, app, "quiet", Pair(FAST), index=28) as model:
        rollout = model.start(steps=[50, 100], starve_after_s=3).id
        starved = model.until(rollout, "held", hold="starved")
        assert "not enough" in starved.sentence
        assert (starved.met, model.alias()) == (0, STABLE)


def test_a_good_candidate_takes_its_steps_and_the_alias_moves_to_it(stack: Stack, app: App) -> None:
    with rolled(stack, app, "better", Pair(FAST), index=32) as model:
        stored = app.bulk(model.model, model.inputs(2_000))  # what both versions are compared on
        assert app.all_finished(stored) == {"succeeded": len(stored)}
        rollout = model.start(steps=[10, 50, 100], duels=1_750, budget=10_000).id
        ids = model.feed(lambda: model.now(rollout).state == "done", most=20_000, at_once=10)
        done = model.until(rollout, "done", limit_s=90)
        assert model.alias() == CANDIDATE, done.sentence
        assert app.all_finished(ids) == {"succeeded": len(ids)}
        last = app.submit(model.model, {"text": "the last"})
        assert app.finished(last["id"])["version"] == CANDIDATE


def test_a_roll_back_takes_thousands_of_waiting_jobs_back(stack: Stack, app: App) -> None:
    slow = {**FAST, "base_s": 0.5}
    with rolled(stack, app, "crowded", Pair(slow, slow), index=36) as model:
        rollout = model.start(steps=[50, 100], baseline=False, budget=100_000).id
        model.until(rollout, "running")
        ids = app.bulk(model.model, model.inputs(WAITING))
        waits = model.waiting_for_candidate()
        assert waits > WAITING // 4
        model.operator.rollouts.roll_back(rollout, reason="a test")
        wait_until(lambda: model.waiting_for_candidate() == 0, limit_s=20)
        assert app.all_finished(ids) == {"succeeded": WAITING}
        assert model.claimed_late(rollout) == 0
        assert model.ran_by(ids)[STABLE] > WAITING // 2
