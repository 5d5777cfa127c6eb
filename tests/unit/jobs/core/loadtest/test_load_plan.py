"""What is sent: the mix by its weights, recorded clients by turns, and bulk calls of one client each."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from jobs.core.loadtest.load_plan import calls_of, drawn_jobs, replayed_jobs
from jobs.core.loadtest.load_words import MixPart
from jobs.core.simulation.arrivals import Arrival

MIX = [MixPart("minilm", None, 3.0), MixPart("echo", 9, 1.0)]


def test_models_and_clients_are_drawn_by_their_shares() -> None:
    jobs = drawn_jobs([number / 100 for number in range(4_000)], MIX, 2, Random(1).random)
    models = Counter((job.model, job.priority) for job in jobs)
    assert models["minilm", None] == pytest.approx(3_000, rel=0.05)
    assert models["echo", 9] == pytest.approx(1_000, rel=0.1)
    assert Counter(job.client for job in jobs)[1] == pytest.approx(2_000, rel=0.1)


def test_recorded_jobs_keep_their_moments_priority_and_deadline_and_their_clients_take_turns() -> None:
    recorded = [Arrival(0.0, 1, 9, 70, 0, 5.0), Arrival(1.0, 1, 4, 30), Arrival(3.0, 1, 4, 20)]
    jobs = replayed_jobs(recorded, MIX[:1], 2, 2.0, Random(1).random)
    assert [(job.at_s, job.priority, job.client, job.deadline_s) for job in jobs] == [
        (0.0, 9, 0, 5.0), (0.5, 4, 1, None), (1.5, 4, 0, None),
    ]  # fmt: skip


def test_a_bulk_call_has_one_client_and_is_due_with_its_last_job() -> None:
    jobs = drawn_jobs([number / 10 for number in range(25)], MIX, 2, Random(1).random)
    calls = calls_of(jobs, 10)
    assert sum(len(call.jobs) for call in calls) == 25
    assert all({job.client for job in call.jobs} == {call.client} for call in calls)
    assert all(call.at_s == call.jobs[-1].at_s for call in calls)
    assert [call.at_s for call in calls] == sorted(call.at_s for call in calls)
