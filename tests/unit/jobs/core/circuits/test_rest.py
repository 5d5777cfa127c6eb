"""What fails on one worker and works on others lets the version rest there, longer each time in a row."""

from __future__ import annotations

from uuid import UUID

import pytest

from jobs.core.circuits.breaker import Finding
from jobs.core.circuits.rest import (
    Elsewhere,
    RestTimes,
    Sighting,
    WorkerTotal,
    sick_at_probe,
    sick_here,
    works_elsewhere,
)
from jobs.core.circuits.tally import EVERY_CLIENT, VerdictTally
from models_registry.core.options import BreakerOptions

LIMITS = BreakerOptions(least=50, share=0.8)
W2, W3 = UUID(int=2), UUID(int=3)
A, B = 7, 8


@pytest.mark.parametrize(
    ("client", "seen", "works"),
    [
        (EVERY_CLIENT, [], False),
        (EVERY_CLIENT, [Sighting(W2, A, 3, 0), Sighting(W2, B, 2, 0)], True),
        (EVERY_CLIENT, [Sighting(W2, A, 4, 0), Sighting(W3, A, 4, 0)], False),
        (EVERY_CLIENT, [Sighting(W2, A, 5, 90)], False),
        (EVERY_CLIENT, [Sighting(W2, A, 5, 90), Sighting(W3, A, 30, 0)], True),
        (A, [Sighting(W2, B, 90, 0)], False),
        (A, [Sighting(W2, A, 9, 0)], True),
    ],
)
def test_a_version_works_elsewhere_if_another_worker_answers_it(
    client: int, seen: list[Sighting], *, works: bool
) -> None:
    assert works_elsewhere(Finding(client, ""), seen, LIMITS) is works


@pytest.mark.parametrize(
    ("seen", "totals", "served", "sick"),
    [
        ([], [], False, False),
        ([], [], True, True),
        ([], [WorkerTotal(W2, 0, 60)], True, False),
        ([], [WorkerTotal(W2, 0, 4)], True, True),
        ([], [WorkerTotal(W2, 40, 60)], True, True),
        ([Sighting(W2, A, 9, 0)], [WorkerTotal(W2, 9, 0)], False, True),
        ([Sighting(W2, A, 9, 0)], [WorkerTotal(W2, 9, 0), WorkerTotal(W3, 0, 60)], True, True),
    ],
)
def test_a_circuit_counts_workers(
    seen: list[Sighting], totals: list[WorkerTotal], *, served: bool, sick: bool
) -> None:
    elsewhere = Elsewhere(seen, totals, served)
    assert sick_here(Finding(EVERY_CLIENT, ""), elsewhere, LIMITS) is sick


def test_a_probe_counts_workers_too() -> None:
    assert sick_at_probe(Elsewhere([], [], served=True))
    assert sick_at_probe(Elsewhere([], [WorkerTotal(W2, 2, 1)], served=True))
    assert not sick_at_probe(Elsewhere([], [WorkerTotal(W2, 0, 1)], served=True))
    assert not sick_at_probe(Elsewhere([], [], served=False))


def test_a_rest_doubles_until_jobs_succeed_after_it() -> None:
    rest = RestTimes(first_s=10.0, cap_s=25.0, probes=2)
    assert rest.begin(0.0) == 10.0
    assert rest.left_s(4.0) == 6.0
    assert not rest.tried(4.0, VerdictTally(blamed=1)), "a straggler"
    assert rest.left_s(10.0) == 0.0
    assert rest.tried(10.0, VerdictTally(blamed=1))
    assert rest.begin(10.0) == 20.0
    assert rest.begin(40.0) == 25.0, "the cap"
    assert not rest.tried(70.0, VerdictTally(succeeded=2))
    assert not rest.tried(71.0, VerdictTally(blamed=1)), "the breaker judges again"
    assert rest.begin(72.0) == 10.0
