"""The last minute is a sum to which seconds are added, and from which old ones are taken away."""

from __future__ import annotations

from collections import Counter

from jobs.core.operations.recent_jobs import (
    MOST_CLIENTS,
    WINDOW_S,
    EndedJobs,
    JobTally,
    RecentWindow,
    padding_of,
)
from jobs.core.operations.spread import Spread, bucket_of


def a_second(seconds: float = 0.1, jobs: int = 2, **fields: int) -> EndedJobs:
    tally = JobTally(
        succeeded=jobs, batches=1, batch_jobs=jobs, seals=Counter(full=1),
        total=Spread({bucket_of(seconds): jobs}),
        stages={"run": Spread({bucket_of(seconds / 2): jobs})}, **fields,
    )  # fmt: skip
    owner = JobTally(succeeded=jobs, total=Spread({bucket_of(seconds): jobs}))
    return EndedJobs({"echo": tally}, {7: owner}, {"worker": owner})


def test_a_window_is_the_sum_of_the_last_minute_s_seconds_and_forgets_older_ones() -> None:
    window = RecentWindow()
    for second in range(100, 100 + 2 * WINDOW_S):
        window.add(second, a_second(0.1 if second < 100 + WINDOW_S else 5.0))
    stored = window.stored({"echo": 1.0})
    echo = stored.models["echo"]
    assert (stored.at, stored.window_s) == (100 + 2 * WINDOW_S - 1, WINDOW_S)
    assert (echo.succeeded, echo.batches, echo.batch_size, echo.seals) == (120, 60, 2.0, {"full": 60})
    assert echo.total.p50_s is not None
    assert echo.total.p50_s > 4, "the fast ones are over a minute old"
    assert echo.goal_met == 0.0
    assert echo.stages["run"].count == 120
    assert [*echo.stages] == ["outbox", "broker", "buffer", "claim", "lane", "run", "settle"]


def test_what_is_empty_again_is_dropped() -> None:
    window = RecentWindow()
    window.add(1, a_second())
    window.add(1 + WINDOW_S, EndedJobs())
    stored = window.stored({})
    assert (stored.models, stored.clients, stored.workers, stored.window_s) == ({}, {}, {}, 1)


def test_only_the_busiest_clients_are_stored() -> None:
    window = RecentWindow()
    window.add(1, EndedJobs(clients={client: JobTally(succeeded=client) for client in range(1, 101)}))
    assert sorted(window.stored({}).clients) == [*range(101 - MOST_CLIENTS, 101)]


def test_padding_is_the_part_of_the_padded_size_that_no_item_fills() -> None:
    assert padding_of(JobTally(padded=400, items=300)) == 0.25
    assert padding_of(JobTally(padded=0, items=0)) is None
    assert padding_of(JobTally(padded=100, items=120)) == 0.0, "a sample can be above the whole"
