"""Gates and duels of a roll-out: what they show, who runs them, and how they end."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.models import Worker
from jobs.models.rollouts.version_trial import Trial, TrialState
from jobs.services.trials import trial_rows
from jobs.services.trials.for_rollouts import (
    begin_duels,
    begin_gate,
    duel_evidence,
    end_trials,
    gate_result,
)
from jobs.worker.trials.trial_beat import TrialBeat
from jobs.worker.trials.trial_desk import TrialDesk
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.models import ModelVersion, Rollout
from tests.support import digit_models
from tests.support.factories import make_version
from tests.support.trials import TrialWorker, recorded, stored_jobs
from tests.support.wait import wait_until

FAULTY = "models_registry.loaders.builtin:faulty"


def digits(version: str, entry_point: str, **fields: Any) -> ModelVersion:
    usual = {
        "artifact": entry_point,
        "input_schema": digit_models.INPUT_SCHEMA,
        "output_schema": digit_models.OUTPUT_SCHEMA,
        "example": digit_models.unseen()[0][0],
    }
    return make_version("digits", version, **(usual | fields))


def rolled_out(stable: ModelVersion, candidate: ModelVersion, **plan: Any) -> Rollout:
    return Rollout.objects.create(
        model=stable.model, alias="default", stable=stable, candidate=candidate, plan=Plan(**plan).document,
        sha256="0" * 64, salt="salt", budget=50, actor="olga", state="gating",
    )  # fmt: skip


@pytest.fixture
def worker(db: str) -> TrialWorker:
    return TrialWorker("digits", entry_points=digit_models.ENTRY_POINTS)


def test_a_gate_loads_runs_and_times_the_candidate(worker: TrialWorker, session: sa.Connection) -> None:
    light, heavy = digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY)
    recorded(light, stored_jobs(light, [value for value, _ in digit_models.unseen()[:70]]), size=7)
    rollout = rolled_out(light, heavy)
    assert begin_gate(rollout) == begin_gate(rollout)
    assert gate_result(rollout) is None
    worker.run(session, begin_gate(rollout))
    result = gate_result(rollout)
    assert result is not None
    assert result.passed, result.sentence
    assert result.report["inputs"] == 64
    assert [row["size"] for row in result.report["service_times"]] == [1, 8, 32, 64]
    assert all(row["batches"] == 5 and row["ratio"] > 0 for row in result.report["service_times"])
    assert result.report["candidate"]["load_s"] > 0
    assert result.report["candidate_alone_failed"] == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"artifact": "tests.support.digit_models:missing"}, "cannot be loaded"),
        ({"example": {"pixels": [0.0]}, "input_schema": {}}, "cannot be loaded"),
        ({"output_schema": {"type": "object", "required": ["number"]}}, "breaks its output schema"),
    ],
)
def test_a_candidate_that_does_not_work_is_refused_with_the_reason(
    worker: TrialWorker, session: sa.Connection, fields: dict[str, Any], words: str
) -> None:
    stable = digits("1", digit_models.HEAVY)
    rollout = rolled_out(stable, digits("2", digit_models.HEAVY, **fields))
    worker.run(session, begin_gate(rollout))
    result = gate_result(rollout)
    assert result is not None
    assert not result.passed
    assert words in result.sentence


def test_a_gate_without_stored_inputs_runs_the_example(worker: TrialWorker, session: sa.Connection) -> None:
    rollout = rolled_out(digits("1", digit_models.LIGHT, max_batch=8), digits("2", digit_models.HEAVY))
    worker.run(session, begin_gate(rollout))
    result = gate_result(rollout)
    assert result is not None
    assert result.passed
    assert [row["size"] for row in result.report["service_times"]] == [1, 8]


def test_duels_count_pairs_in_recorded_batches_and_their_noise(
    worker: TrialWorker, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.worker.trials.duel_trial.NOISE_SHARE", 0.3)
    light, heavy = digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY)
    recorded(light, stored_jobs(light, [value for value, _ in digit_models.unseen()[:360]]), size=6)
    rollout = rolled_out(light, heavy, duels=100)
    trial = begin_duels(rollout)
    assert trial is not None
    assert begin_duels(rollout) == trial
    assert worker.run(session, trial).state == TrialState.DONE
    evidence = duel_evidence(rollout)
    assert 100 <= evidence.pairs < 106
    assert evidence.pairs // 6 - 1 <= evidence.timed <= evidence.pairs // 6
    assert evidence.compared == evidence.pairs
    assert 0.8 < evidence.agreed / evidence.compared < 1.0, "the light one errs more often"
    assert evidence.noise_compared == evidence.noise_agreed > 0
    assert evidence.noise_timed > 0
    assert (evidence.candidate_failed, evidence.stable_failed) == (0, 0)
    assert begin_duels(rollout) is None, "there are enough"


def test_more_duels_go_on_where_the_first_ones_ended(worker: TrialWorker, session: sa.Connection) -> None:
    light, heavy = digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY)
    recorded(light, stored_jobs(light, [value for value, _ in digit_models.unseen()[:80]]), size=4)
    rollout = rolled_out(light, heavy, duels=20)
    first = begin_duels(rollout)
    assert first is not None
    worker.run(session, first)
    second = begin_duels(rollout, pairs=60)
    assert second not in {None, first}
    assert begin_duels(rollout, pairs=1_000) == second, "it is asked for more before it begins"
    row = worker.run(session, second or 0)
    assert row.progress["all_run"]
    evidence = duel_evidence(rollout)
    noise = evidence.noise_compared
    assert evidence.pairs + noise == 80, "each stored input was run once"
    assert begin_duels(rollout, pairs=1_000) is None


def test_inputs_that_only_the_candidate_fails_are_counted_once(
    db: str, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.worker.trials.duel_trial.NOISE_SHARE", 0.0)
    stable = make_version("faulty", "1", artifact="models_registry.loaders.builtin:echo")
    candidate = make_version("faulty", "2", artifact=FAULTY)
    inputs = [{"number": number} for number in range(20)] + [{"fail": "raise"}, {"fail": "raise"}]
    recorded(stable, stored_jobs(stable, inputs), size=11)
    rollout = rolled_out(stable, candidate, duels=1_000)
    row = TrialWorker("faulty").run(session, begin_duels(rollout) or 0)
    evidence = duel_evidence(rollout)
    assert (evidence.pairs, evidence.candidate_failed, evidence.stable_failed) == (21, 1, 0), row.outcome
    assert (evidence.compared, evidence.agreed) == (20, 20)
    assert "No more inputs" in row.outcome


def test_one_worker_takes_a_trial_and_another_takes_it_over_where_it_died(
    worker: TrialWorker, session: sa.Connection
) -> None:
    light, heavy = digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY)
    trial = begin_gate(rolled_out(light, heavy))
    other = TrialWorker("digits", node="gpu-1@tests", entry_points=digit_models.ENTRY_POINTS)

    def take(worker: TrialWorker) -> Any:
        return trial_rows.take(session, worker=worker.row.id, node=worker.row.node, models=["digits"])

    first = take(worker)
    assert (first.id, first.attempts) == (trial, 1)
    assert take(other) is None, "it beats"
    assert take(worker).attempts == 1, "after a lost session it is still its own"
    Worker.objects.filter(pk=worker.row.id).update(ended_at=timezone.now())
    second = take(other)
    assert (second.id, second.attempts) == (trial, 2)
    assert not trial_rows.note_progress(session, first, worker.row.id, {}), "the first one may not write"
    assert not trial_rows.end(session, first, worker.row.id, trial_rows.TrialEnd(TrialState.DONE, ""))
    Worker.objects.filter(pk=other.row.id).update(ended_at=timezone.now())
    third = TrialWorker("digits", node="gpu-2@tests", entry_points=digit_models.ENTRY_POINTS)
    assert take(third) is None
    row = Trial.objects.get(pk=trial)
    assert (row.state, row.outcome) == (TrialState.FAILED, trial_rows.KILLED)


def test_a_worker_that_stops_in_order_gives_its_trial_back_uncharged(
    worker: TrialWorker, session: sa.Connection
) -> None:
    rollout = rolled_out(digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY))
    trial = begin_gate(rollout)
    for _ in range(5):
        taken = trial_rows.take(session, worker=worker.row.id, node="gpu-0@tests", models=["digits"])
        assert taken is not None
        assert taken.attempts == 1
        trial_rows.release(session, worker.row.id)
    assert Trial.objects.get(pk=trial).state == TrialState.WAITING


def test_a_silent_trial_is_taken_over_though_its_worker_lives(
    worker: TrialWorker, session: sa.Connection
) -> None:
    rollout = rolled_out(digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY))
    begin_gate(rollout)
    taken = trial_rows.take(session, worker=worker.row.id, node="gpu-0@tests", models=["digits"])
    assert taken is not None
    desk = TrialDesk(worker.runner._place, taken, session)
    TrialBeat(desk, stop=desk.lost).step(session, ())
    assert not desk.lost.is_set()
    Trial.objects.update(beat_at="2026-01-01T00:00:00Z")
    other = TrialWorker("digits", node="gpu-1@tests")
    assert trial_rows.take(session, worker=other.row.id, node="gpu-1@tests", models=["digits"]) is not None
    TrialBeat(desk, stop=desk.lost).step(session, ())
    assert desk.lost.is_set(), "the first worker learns of it with its next beat"


@pytest.mark.parametrize("how", ["state", "call"])
def test_trials_are_cancelled_when_their_rollout_ends(
    worker: TrialWorker, session: sa.Connection, how: str
) -> None:
    rollout = rolled_out(digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY))
    trial = begin_gate(rollout)
    if how == "call":
        assert end_trials(rollout) == 1
    else:
        Rollout.objects.update(state="cancelled")
    assert worker.run(session, trial).state == TrialState.CANCELLED
    assert gate_result(rollout) is None


def test_a_trial_that_runs_stops_when_its_rollout_ends(worker: TrialWorker, session: sa.Connection) -> None:
    busy = TrialWorker(
        "digits", node="gpu-3@tests", entry_points=digit_models.ENTRY_POINTS, quiet=lambda: False
    )
    light, heavy = digits("1", digit_models.LIGHT), digits("2", digit_models.HEAVY)
    recorded(light, stored_jobs(light, [value for value, _ in digit_models.unseen()[:200]]), size=1)
    rollout = rolled_out(light, heavy, duels=200)
    trial = begin_duels(rollout) or 0
    busy.runner._place.turn.ran(60.0)  # so long it has no turn
    thread = Thread(target=lambda: busy.runner.step(session, ()))
    thread.start()
    wait_until(lambda: Trial.objects.get(pk=trial).state == TrialState.RUNNING)
    Rollout.objects.update(state="rolled_back")
    thread.join(15.0)
    assert not thread.is_alive()
    busy.runner.step(session, ())
    assert Trial.objects.get(pk=trial).state == TrialState.CANCELLED
