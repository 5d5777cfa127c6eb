from jobs.core.operations.model_tables import (
    batches_table,
    letters_table,
    models_table,
    priorities_table,
    stages_table,
)
from jobs.core.operations.operations_reading import PartReading, Percentiles
from jobs.core.operations.page_table import PageCell, PageRow, PageTable
from tests.support.readings import failure, model_reading, reading


def cells(table: PageTable, row: int = 0) -> dict[str, PageCell]:
    return {column.title: cell for column, cell in table.lines[row][1]}


def texts(table: PageTable, row: int = 0) -> dict[str, str]:
    return {title: cell.text for title, cell in cells(table, row).items()}


def test_a_model_has_its_queue_speed_goal_and_workers() -> None:
    assert texts(models_table(reading())) == {
        "model": "echo", "waiting": "10", "oldest": "1 min 15 s", "in": "30.0/s", "out": "29.5/s",
        "can do": "90.0/s", "estimate": "400 ms", "p50": "60 ms", "p95": "190 ms", "p99": "1.2 s",
        "goal": "200 ms", "in goal": "99.0 %", "workers": "2, 1 busy", "wanted": "2", "held": "-",
    }  # fmt: skip


def test_what_is_unknown_is_a_dash_and_never_nought() -> None:
    model = model_reading(
        total=Percentiles(), goal_s=None, goal_met=None, in_per_s=None, out_per_s=None, capacity_per_s=None,
        wait_s=None, workers_busy=None, workers_idle=None, workers_silent=None, workers_wanted=None,
    )  # fmt: skip
    shown = texts(models_table(reading(models=[model])))
    assert {title for title, text in shown.items() if text == "-"} == {
        "in", "out", "can do", "estimate", "p50", "p95", "p99", "goal", "in goal", "workers",
        "wanted", "held",
    }  # fmt: skip


def test_a_model_without_a_worker_comes_first_and_is_red() -> None:
    alone = model_reading("zeta", workers_busy=0, workers_idle=0, workers_silent=1)
    idle = model_reading(
        "alpha", waiting=[0] * 10, workers_busy=0, workers_idle=0, in_per_s=0.0, out_per_s=0.0
    )
    table = models_table(reading(models=[idle, model_reading(), alone]))
    assert [row.key for row in table.rows] == ["zeta", "echo", "alpha"]
    assert cells(table)["workers"] == PageCell("0, 1 silent", "red")
    assert cells(table, 2)["workers"].level == ""


def test_a_missed_goal_a_hold_and_an_old_count_are_amber() -> None:
    survey = PartReading(ok=False, age_s=23.0, text="No relay counts.")
    late = reading(models=[model_reading(goal_met=0.9, held="a leak")], parts={"survey": survey})
    shown = cells(models_table(late))
    amber = {title for title, cell in shown.items() if cell.level == "amber"}
    assert amber == {"waiting", "oldest", "p95", "in goal", "held"}


def test_waiting_jobs_stand_by_priority() -> None:
    table = priorities_table(reading(models=[model_reading(), model_reading("idle", waiting=[0] * 10)]))
    assert [row.key for row in table.rows] == ["echo"]
    shown = texts(table)
    assert (shown["priority 9"], shown["priority 5"], shown["priority 0"]) == (
        "3 (500 ms)",
        "7 (1 min 15 s)",
        "-",
    )


def test_stages_stand_by_model() -> None:
    table = stages_table(
        reading(models=[model_reading(), model_reading("idle", stages={"run": Percentiles()})])
    )
    assert [row.key for row in table.rows] == ["echo"]
    assert texts(table)["run"] == "0.1 / 0.2 / 1.2 s"
    assert texts(table)["claim"] == "-"


def test_batches_have_their_reasons_the_most_frequent_first() -> None:
    shown = texts(batches_table(reading(models=[model_reading(retries=3)])))
    assert (shown["jobs a batch"], shown["padding"], shown["sealed by"]) == (
        "15.8",
        "7.1 %",
        "full 75%, linger 25%",
    )
    assert cells(batches_table(reading(models=[model_reading(retries=3)])))["retries"].level == "amber"


def test_dead_letters_lead_to_their_list() -> None:
    two = [failure(count=1, fingerprint="rare"), failure()]
    table = letters_table(reading(models=[model_reading(failures=two)]))
    assert [row.cells[3].text for row in table.rows] == ["212", "1"]
    assert cells(table)["fingerprint"].href == "/admin/jobs/deadletter/?model=echo"
    assert texts(table)["newest"] == "4.0 s ago"


def test_each_row_has_as_many_cells_as_there_are_columns_and_a_key_of_its_own() -> None:
    models = [model_reading(name, failures=[failure()]) for name in ("a", "b")]
    of = reading(models=models)
    for table in (
        f(of) for f in (models_table, priorities_table, stages_table, batches_table, letters_table)
    ):
        rows: list[PageRow] = table.rows
        assert {len(row.cells) for row in rows} == {len(table.columns)}, table.name
        assert len({row.key for row in rows}) == len(rows) == 2, table.name
