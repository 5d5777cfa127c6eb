"""A reading is made of rows alone: what is red stands on top, and what is not known is not 0."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from jobs.api.operations.reading_of_rows import OVERDUE_S, aged, reading_of
from jobs.core.operations.operations_reading import Percentiles, RedKind, Severity
from jobs.core.operations.recent_jobs import RecentJobs, RecentModel, RecentOwner
from jobs.services.admission.survey_reads import SurveyedQueue
from jobs.services.circuits.operate import OPENED
from jobs.services.dead_letters.reads import DeadLetterGroup
from jobs.services.operations.reading_rows import OperationsRows
from jobs.services.operations.reading_statements import (
    ClientRow,
    HeldVersion,
    LoadRow,
    OpenBatches,
    OutageRow,
    PauseRow,
    RelayRow,
    RolloutRow,
    StepRow,
    WorkerRow,
)

NOW = 1_800_000_000.5
AT = 1_800_000_000 - 2
WORKER = uuid4()
QUEUE = SurveyedQueue("echo", [0] * 10, [0.0] * 10, 20.0, 5.0, 2, 1, 0, 1, 1.0, 0, 0.4)
TIMES = Percentiles(count=120, p50_s=0.1, p95_s=0.2, p99_s=0.3)
RECENT = RecentJobs(
    at=AT, window_s=60,
    models={
        "echo": RecentModel(
            succeeded=110, died=10, retries=3, batches=12, batch_size=10.0, padding=None, goal_met=0.99,
            seals={"full": 12}, total=TIMES, stages={"run": TIMES},
        )
    },
    clients={7: RecentOwner(ended=120, total=TIMES)},
    workers={str(WORKER): RecentOwner(ended=120, total=TIMES)},
)  # fmt: skip
QUIET = OperationsRows(
    now=NOW, recent=RECENT, steps={"": StepRow("", AT, 5.0, 2.0, 0, 0.0, None, None, None, None, 0.0, None)},
    queues=[QUEUE], clients=[ClientRow(7, "shop", 0)],
    workers=[WorkerRow(WORKER, "gpu-0@here", "here", "eu-1a", "cuda:0", ["echo"], 1.0, NOW - 60, 2, 7, 9)],
    in_flight=[OpenBatches(WORKER, "echo", 2, 16)],
    loads=[LoadRow("gpu-0@here", "echo:1", "echo", "ready", 1_000, "", NOW - 60)],
    relays=[RelayRow("relay@here:1", 4.0, ["echo"])], circuits=[], pauses=[], rollouts=[],
    outages=[], letters=[],
)  # fmt: skip


def test_of_a_quiet_platform_nothing_is_red_and_the_figures_are_the_window_s() -> None:
    reading = reading_of(QUIET)
    (echo,), (client,), (worker,) = reading.models, reading.clients, reading.workers
    assert reading.red == []
    assert {name: part.ok for name, part in reading.parts.items()} == dict.fromkeys(
        ("database", "broker", "relay", "survey", "history"), True
    )
    assert (echo.out_per_s, client.out_per_s, worker.out_per_s) == (2.0, 2.0, 2.0)
    assert (echo.batches, echo.batch_jobs, worker.batches, worker.batch_jobs) == (2, 16, 2, 16)
    assert (echo.workers_busy, echo.workers_idle, echo.wait_s) == (1, 1, 0.0)
    assert (echo.lanes, worker.lanes, worker.zone) == (2, 2, "eu-1a")
    assert (worker.memory_used_bytes, worker.memory_total_bytes) == (7, 9)
    assert echo.newest is not None
    assert (echo.newest.at, echo.newest.out_per_s) == (AT, 0.0), "no row of its own: it was quiet"


def test_everything_that_is_red_is_named_with_the_page_where_to_act() -> None:
    waits = QUEUE._replace(waiting=[0] * 9 + [4], workers=0, busy=0)
    died = datetime(2026, 11, 29, tzinfo=UTC)
    reading = reading_of(
        replace(
            QUIET, queues=[waits], relays=[], outages=[OutageRow("broker", "", NOW - 5)],
            workers=[WorkerRow(WORKER, "gpu-0@here", "", "", "cpu", ["echo"], 60.0, NOW, None, None, None)],
            loads=[LoadRow("gpu-0@here", "echo:2", "echo", "failed", None, "no such file", NOW)],
            circuits=[HeldVersion(3, "echo:1", "echo", "", "open", "90 % failed", NOW, None)],
            pauses=[PauseRow("client", "shop", "too much", "olga", NOW)],
            letters=[DeadLetterGroup("echo", "poison", "poison:test:-", 5, died, died)],
        )
    )  # fmt: skip
    kinds = [red.kind for red in reading.red]
    assert kinds == sorted(kinds, key=[*RedKind].index)
    assert set(kinds) == {
        RedKind.BROKER, RedKind.RELAY, RedKind.NO_WORKER, RedKind.SILENT_WORKER, RedKind.CIRCUIT,
        RedKind.LOAD_FAILED, RedKind.PAUSED, RedKind.DEAD_LETTERS,
    }  # fmt: skip
    by_kind = {red.kind: red for red in reading.red}
    assert by_kind[RedKind.NO_WORKER].text == "4 jobs wait for echo, and no live worker serves it."
    assert (by_kind[RedKind.PAUSED].severity, by_kind[RedKind.PAUSED].by) == (Severity.AMBER, "olga")
    assert by_kind[RedKind.DEAD_LETTERS].href.endswith(
        "?model=echo&kind=poison&fingerprint=poison%3Atest%3A-"
    )
    assert reading.models[0].held == "circuit of echo:1 open: 90 % failed"
    assert reading.models[0].wait_s is None, "without a worker nobody knows"


def test_a_circuit_that_a_person_opened_names_the_person() -> None:
    usual = HeldVersion(3, "echo:1", "echo", "", "open", "A bad release.", NOW, "olga")
    circuits = [
        usual, usual._replace(reason=OPENED), usual._replace(client="shop"),
        usual._replace(state="half_open", by=None), usual._replace(by=None),
    ]  # fmt: skip
    reading = reading_of(replace(QUIET, circuits=circuits))
    assert [(red.text, red.by) for red in reading.red] == [
        ("The circuit of echo:1 was opened by olga: A bad release.", "olga"),
        ("The circuit of echo:1 was opened by olga.", "olga"),
        ("The circuit of echo:1 for the client shop was opened by olga: A bad release.", "olga"),
        ("The circuit of echo:1 is half open: A bad release.", None),
        ("The circuit of echo:1 is open: A bad release.", None),
    ]
    assert reading.models[0].held == "circuit of echo:1 opened by olga: A bad release."


def test_sentences_agree_with_their_numbers() -> None:
    died = datetime(2026, 11, 29, tzinfo=UTC)
    waits = QUEUE._replace(waiting=[0] * 9 + [1], workers=0, busy=0)
    letters = [DeadLetterGroup("echo", "poison", "poison:test:-", 1, died, died)]
    one = reading_of(replace(QUIET, queues=[waits], letters=letters))
    assert one.parts["relay"].text == "1 relay publishes for 1 queue."
    assert {red.text for red in one.red} == {
        "1 job waits for echo, and no live worker serves it.",
        "1 job of echo died of poison:test:-.",
    }
    relays = [RelayRow("relay@here:1", 4.0, ["echo", "minilm"]), RelayRow("relay@here:2", 4.0, ["sleeper"])]
    many = reading_of(
        replace(
            QUIET, queues=[waits._replace(waiting=[0] * 9 + [1_200])], relays=relays,
            letters=[replace(letters[0], count=2_000)],
        )
    )  # fmt: skip
    assert many.parts["relay"].text == "2 relays publish for 3 queues."
    assert {red.text for red in many.red} == {
        "1,200 jobs wait for echo, and no live worker serves it.",
        "2,000 jobs of echo died of poison:test:-.",
    }
    assert reading_of(replace(QUIET, relays=[])).parts["relay"].text == "0 relays publish for 0 queues."


def test_old_figures_are_unknown_and_not_zero() -> None:
    old = replace(QUIET, queues=[QUEUE._replace(age_s=60.0)], now=NOW + 60)
    reading = reading_of(old)
    (echo,) = reading.models
    unknown = (
        echo.in_per_s,
        echo.out_per_s,
        echo.capacity_per_s,
        echo.workers_busy,
        echo.wait_s,
        echo.newest,
    )
    assert unknown == (None,) * 6
    assert {red.kind for red in reading.red} == {RedKind.STALE_COUNT, RedKind.NO_RECORDER}
    assert (reading.parts["survey"].ok, reading.parts["history"].ok) == (False, False)


def test_figures_of_a_clock_that_was_set_back_are_old_too() -> None:
    reading = reading_of(replace(QUIET, now=NOW - 3_600))
    assert (reading.models[0].out_per_s, reading.newest) == (None, None)
    assert {red.kind for red in reading.red} == {RedKind.NO_RECORDER}
    assert not reading.parts["history"].ok


def test_a_missed_goal_is_amber_where_enough_jobs_ended() -> None:
    late = RecentJobs(
        at=AT, window_s=60, clients={}, workers={},
        models={
            "echo": RecentModel(
                succeeded=120, died=0, retries=0, batches=1, batch_size=1.0, padding=None, goal_met=0.5,
                seals={}, total=TIMES, stages={},
            )
        },
    )  # fmt: skip
    (red,) = reading_of(replace(QUIET, recent=late)).red
    assert (red.kind, red.text) == (
        RedKind.GOAL_MISSED,
        "50% of the jobs of echo ended within its goal of 1 s.",
    )


def test_a_reading_that_is_overdue_says_on_top_how_old_everything_is() -> None:
    reading = reading_of(QUIET)
    assert aged(reading, OVERDUE_S, 2).red == []
    old = aged(reading, 12.0, 2)
    assert (old.red[0].kind, old.age_s, old.watchers) == (RedKind.DATABASE, 12.0, 2)
    assert old.parts["survey"].age_s == 12.4
    assert not old.parts["database"].ok


def test_a_roll_out_that_a_person_paused_is_amber_and_others_that_stopped_are_red() -> None:
    sentence = "Held: 50 of 50 budgeted jobs met."
    rows = [
        RolloutRow(1, "echo", "default", "2", "held", "budget", sentence, NOW - 60),
        RolloutRow(2, "echo", "beta", "3", "held", "paused", "", NOW - 60),
        RolloutRow(3, "echo", "gamma", "4", "rolled_back", "", "", NOW - 60),
    ]
    budget, paused, back = reading_of(replace(QUIET, rollouts=rows)).red
    assert (budget.severity, paused.severity, back.severity) == (Severity.RED, Severity.AMBER, Severity.RED)
    assert budget.text == f"echo:2 at @default: {sentence}"
    assert paused.text == "echo:3 at @beta: Held: paused."
    assert back.text == "echo:4 at @gamma: Rolled back."
    assert budget.href == "/admin/models_registry/rollout/1/change/"
    assert (budget.model, budget.since) == ("echo", NOW - 60)
