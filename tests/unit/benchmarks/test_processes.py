"""What was spent between two snapshots, by process and by the job."""

from __future__ import annotations

from tests.benchmarks.processes import Snapshot

BEFORE = Snapshot(100.0, {"web": 1.0, "postgres": 2.0}, {(7, "web"): 0.5}, 10.0)
AFTER = Snapshot(
    110.0, {"web": 3.0, "postgres": 2.5, "relay": 0.001}, {(7, "web"): 0.7, (8, "web"): 0.1}, 14.0
)


def test_the_difference_counts_also_who_came_between() -> None:
    spent = BEFORE.until(AFTER)
    assert spent.seconds == 10.0
    assert spent.by_process == {"web": 2.0, "postgres": 0.5, "relay": 0.001}
    assert round(spent.backends["web"], 6) == 0.3


def test_rows_are_the_costliest_first_and_leave_out_what_is_nothing() -> None:
    rows = [(row.what, row.value) for row in BEFORE.until(AFTER).figures("100/s", jobs=1_000, client_s=0.5)]
    assert rows == [
        ("100/s: CPU of the whole stack", "25.0% of a core, 2.50 ms a job"),
        ("   web", "20.0% of a core, 2.00 ms a job"),
        ("   postgres", "5.0% of a core, 0.50 ms a job"),
        ("      of it for", "web 3.0%"),
        ("   beside the stack", "5.0% the client, 10.0% of a core all else"),
    ]
