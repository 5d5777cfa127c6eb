"""How long the jobs waited that were accepted while a fault lasted."""

from __future__ import annotations

import math
from dataclasses import replace

from tests.chaos.checker import Accepted, Change, History
from tests.chaos.records import ANY, FINE
from tests.chaos.waits import Waits, waits


def history(times: dict[str, tuple[float, float | None]], **accepted: Accepted) -> History:
    changes = {
        job: [Change(at, None, "queued", 0, 0), *([Change(end, "running", "succeeded", 1, 1)] if end else [])]
        for job, (at, end) in times.items()
    }
    return History({job: Accepted(at, FINE) for job, (at, _) in times.items()} | accepted, changes, {})


def test_only_jobs_that_were_accepted_meanwhile_count() -> None:
    told = history({"before": (1.0, 9.0), "meanwhile": (3.0, 5.0), "after": (6.0, 9.0)})
    assert waits(told, 2.0, 4.0) == Waits(1, 2.0, 2.0)
    assert waits(told, 10.0, 11.0) is None


def test_a_job_that_did_not_end_waits_for_ever() -> None:
    ended = {str(number): (3.0, 4.0) for number in range(98)}
    told = history({**ended, "stuck": (3.0, None), "other": (3.0, None)})
    assert waits(told, 2.0, 4.0) == Waits(100, 1.0, math.inf)


def test_jobs_that_need_not_succeed_do_not_count() -> None:
    assert (
        waits(history({}, any=Accepted(3.0, ANY), late=Accepted(3.0, FINE, hurried=True)), 2.0, 4.0) is None
    )


def test_a_job_that_was_taken_from_its_worker_does_not_count() -> None:
    told = history({"other": (3.0, 4.0), "taken": (3.0, 30.0)})
    taken = [Change(18.0, "running", "queued", 2, 0, "ended"), *told.changes["taken"]]
    assert waits(replace(told, changes={**told.changes, "taken": taken}), 2.0, 4.0) == Waits(1, 1.0, 1.0)
