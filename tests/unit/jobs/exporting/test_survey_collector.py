"""A page shows the last count until it is ten seconds old, and waits a second at most for the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

import psycopg
from prometheus_client import CollectorRegistry, generate_latest

from jobs.exporting.page_reading import PARTS, QUEUES, PagePart
from jobs.exporting.survey_collector import _SHOWN, PATIENCE_S, STALE_S, SurveyCollector
from jobs.services.admission.survey_reads import SurveyedQueue
from jobs.services.drift.drift_figures import DriftFigure
from jobs.services.flags.flag_views import ExpiredFlag
from jobs.services.reads.server_copies import ReplicationSlot, ServerCopies

QUEUE = SurveyedQueue(
    queue="echo", waiting=[0, 0, 0, 0, 6, 0, 0, 0, 0, 2], head_age_s=[0, 0, 0, 0, 3.5, 0, 0, 0, 0, 1.0],
    per_s=4.0, arrivals_per_s=2.5, workers=3, busy=2, silent=1, workers_wanted=4, goal_s=1.5, dead_letters=7,
    age_s=0.4,
)  # fmt: skip
UNKNOWN = QUEUE._replace(
    queue="new", per_s=None, arrivals_per_s=None, busy=None, silent=None, workers_wanted=None, goal_s=None,
    dead_letters=None,
)  # fmt: skip
IDLE = UNKNOWN._replace(queue="idle", waiting=[0] * 10, head_age_s=[0.0] * 10)
UNREAD = "inference_page_unread"
FRESH = {"inference_database_up": 1.0, "inference_database_archive_failing_seconds": 0.0}


class Database:
    """Answers with these rows, or an error, and counts how often it was asked.

    It refuses the parts in `refused`, and waits before a part in `slow` until `answers` is set.
    """

    def __init__(self, *rows: SurveyedQueue) -> None:
        self.rows, self.error, self.reads = rows, False, 0
        self.copies = ServerCopies()
        self.flags: list[ExpiredFlag] = []
        self.drift: list[DriftFigure] = []
        self.refused, self.slow, self.answers = set[str](), set[str](), Event()
        self.now = 100.0

    def read(self) -> Iterator[PagePart]:
        self.reads += 1
        if self.error:
            raise psycopg.OperationalError
        parts = {"rollouts": [], "shadows": [], "drift": self.drift, "flags": self.flags}
        for part, read in {QUEUES: self.rows, **parts, "copies": self.copies}.items():
            if part in self.slow:
                self.answers.wait(30)
            if part not in self.refused:
                yield PagePart(part, read)

    def clock(self) -> float:
        return self.now


def page(collector: SurveyCollector) -> dict[str, float]:
    """Return the page without what says which parts it lacks: see `unread`."""
    return {name: value for name, value in whole_page(collector).items() if not name.startswith(UNREAD)}


def unread(collector: SurveyCollector) -> set[str]:
    parts = {part: f'{UNREAD}{{part="{part}"}}' for part in PARTS}
    shown = whole_page(collector)
    return {part for part, name in parts.items() if shown[name]}


def whole_page(collector: SurveyCollector) -> dict[str, float]:
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}


def surveyed(*rows: SurveyedQueue) -> tuple[Database, SurveyCollector]:
    database = Database(*rows)
    return database, SurveyCollector(database.read, database.clock)


def test_a_page_has_every_figure_of_the_last_count() -> None:
    _, collector = surveyed(QUEUE)
    shown = page(collector)
    queue = 'model="echo"'
    expected = {
        f'inference_queue_jobs{{{queue},priority="4"}}': 6.0,
        f'inference_queue_jobs{{{queue},priority="9"}}': 2.0,
        f'inference_queue_jobs{{{queue},priority="0"}}': 0.0,
        f"inference_queue_oldest_seconds{{{queue}}}": 3.5,
        f"inference_arrivals_per_second{{{queue}}}": 2.5,
        f"inference_drain_per_second{{{queue}}}": 4.0,
        f"inference_backlog_seconds{{{queue}}}": 2.0,
        f'inference_workers{{{queue},state="busy"}}': 2.0,
        f'inference_workers{{{queue},state="idle"}}': 1.0,
        f'inference_workers{{{queue},state="silent"}}': 1.0,
        f"inference_workers_wanted{{{queue}}}": 4.0,
        f"inference_dead_letters{{{queue}}}": 7.0,
        f"inference_goal_seconds{{{queue}}}": 1.5,
        "inference_survey_age_seconds": 0.4,
    }
    assert {name: shown.get(name) for name in expected} == expected


def test_what_is_unknown_is_absent_and_not_0() -> None:
    _, collector = surveyed(UNKNOWN)
    assert {name.partition("{")[0] for name in page(collector)} == {
        "inference_queue_jobs", "inference_queue_oldest_seconds", "inference_survey_age_seconds",
        *FRESH,
    }  # fmt: skip


def test_a_page_has_how_far_each_field_is_from_its_reference_and_how_many_drift() -> None:
    database, collector = surveyed(QUEUE)
    database.drift = [
        DriftFigure("echo", "2", "output:label", 0.5, drifts=True),
        DriftFigure("echo", "2", "input:/age", 0.3, drifts=True),
        DriftFigure("echo", "1", "input:bytes", 0.01, drifts=False),
    ]
    shown = {name: value for name, value in page(collector).items() if "drift" in name}
    assert shown == {
        'inference_drift_fields{model="echo",version="2"}': 2.0,
        'inference_drift_fields{model="echo",version="1"}': 0.0,
        'inference_drift_psi_ratio{field="output:label",model="echo",version="2"}': 0.5,
        'inference_drift_psi_ratio{field="input:/age",model="echo",version="2"}': 0.3,
        'inference_drift_psi_ratio{field="input:bytes",model="echo",version="1"}': 0.01,
    }


def test_where_nothing_waits_there_is_no_backlog_whatever_the_workers_do() -> None:
    _, collector = surveyed(IDLE)
    assert page(collector)['inference_backlog_seconds{model="idle"}'] == 0.0


def test_a_count_older_than_ten_seconds_vanishes_and_its_age_grows() -> None:
    database, collector = surveyed(QUEUE)
    assert len(page(collector)) > 10
    database.error = True
    for passed_s, figures in ((9.0, True), (10.0, False), (70.0, False)):
        database.now = 100.0 + passed_s
        shown = page(collector)
        assert shown["inference_survey_age_seconds"] == 0.4 + passed_s
        assert ('inference_workers_wanted{model="echo"}' in shown) is figures
    database.error, database.now = False, 171.0
    assert len(page(collector)) > 10


def test_a_surveyor_that_stopped_leaves_its_age_alone() -> None:
    _, collector = surveyed(QUEUE._replace(age_s=25.0))
    assert page(collector) == {**FRESH, "inference_survey_age_seconds": 25.0}


def test_before_the_first_count_there_is_only_that_the_database_answers() -> None:
    _, collector = surveyed()
    assert page(collector) == FRESH


def test_a_page_says_whether_the_database_answered_and_never_by_absence() -> None:
    database, collector = surveyed()
    database.error = True
    assert page(collector) == {"inference_database_up": 0.0}
    database.error = False
    assert page(collector) == {"inference_database_up": 0.0}  # of the same second: it is not asked again
    database.now += 1.0
    assert page(collector) == FRESH


def test_a_page_has_the_archive_and_the_standbys_until_what_was_read_is_old() -> None:
    slots = [ReplicationSlot("standby", True, 512.0), ReplicationSlot("away", False, None)]
    database, collector = surveyed()
    database.copies = ServerCopies(90.0, slots)
    expected = {
        "inference_database_archive_failing_seconds": 90.0,
        'inference_replication_slot_active{slot="standby"}': 1.0,
        'inference_replication_slot_active{slot="away"}': 0.0,
        'inference_replication_slot_behind_bytes{slot="standby"}': 512.0,
    }
    assert page(collector) == {"inference_database_up": 1.0, **expected}
    database.refused, database.now = {"copies"}, 130.0
    assert page(collector) == {"inference_database_up": 1.0, **expected}
    database.now = 131.0
    assert page(collector) == {"inference_database_up": 1.0}
    database.refused, database.now = set(), 132.0
    assert page(collector) == {"inference_database_up": 1.0, **expected}
    database.error, database.now = True, 162.5
    assert page(collector) == {"inference_database_up": 0.0}


def test_the_database_is_asked_at_most_once_a_second() -> None:
    database, collector = surveyed(QUEUE)
    for passed_s in (0.0, 0.0, 0.9, 1.0, 1.5, 2.0):
        database.now = 100.0 + passed_s
        page(collector)
    assert database.reads == 3


def test_a_page_waits_a_second_at_most_for_a_database_that_does_not_answer() -> None:
    answers, reads = Event(), []

    def read() -> Iterator[PagePart]:
        reads.append(1)
        answers.wait(30)
        yield PagePart(QUEUES, [QUEUE])

    collector = SurveyCollector(read)
    began = time.monotonic()
    assert page(collector) == {"inference_database_up": 0.0}
    assert page(collector) == {"inference_database_up": 0.0}
    assert time.monotonic() - began < 2 * PATIENCE_S + 0.5
    answers.set()
    thread = collector._thread
    assert thread is not None
    thread.join(10)
    assert "inference_survey_age_seconds" in page(collector)
    assert len(reads) <= 2


def test_a_page_has_for_how_long_a_flag_is_past_its_end_until_that_is_too_old() -> None:
    database, collector = surveyed()
    database.flags = [ExpiredFlag("beta", 30.0)]
    assert page(collector)['inference_flag_expired_seconds{flag="beta"}'] == 30.0
    database.error, database.now = True, 105.0
    assert page(collector)['inference_flag_expired_seconds{flag="beta"}'] == 35.0
    database.now = 131.0
    assert 'inference_flag_expired_seconds{flag="beta"}' not in page(collector)


def test_slow_parts_say_that_they_are_unread_and_not_that_the_database_is_away() -> None:
    database, collector = surveyed(QUEUE)
    database.flags, database.slow = [ExpiredFlag("beta", 30.0)], {"drift"}
    shown = page(collector)
    assert shown["inference_database_up"] == 1.0
    assert shown["inference_survey_age_seconds"] == 0.4
    assert "inference_flag_expired_seconds" not in {name.partition("{")[0] for name in shown}
    assert unread(collector) == {"drift", "flags", "copies"}
    database.answers.set()
    thread = collector._thread
    assert thread is not None
    thread.join(10)
    assert unread(collector) == set()
    assert page(collector)['inference_flag_expired_seconds{flag="beta"}'] == 30.0
    database.answers.clear()
    database.now = 115.0  # the next page, whose own parts come late again
    assert page(collector)['inference_flag_expired_seconds{flag="beta"}'] == 45.0
    assert unread(collector) == set()
    database.answers.set()


def test_a_read_that_never_ends_says_that_the_database_is_away_after_ten_seconds() -> None:
    database, collector = surveyed(QUEUE)
    database.slow = {"copies"}
    assert page(collector)["inference_database_up"] == 1.0
    database.now += STALE_S
    assert page(collector)["inference_database_up"] == 1.0
    database.now += 0.1
    assert page(collector)["inference_database_up"] == 0.0
    database.answers.set()


def test_a_part_that_is_refused_is_shown_until_it_is_old_and_named_then() -> None:
    database, collector = surveyed(QUEUE)
    database.drift = [DriftFigure("echo", "2", "output:label", 0.5, drifts=True)]
    fields = 'inference_drift_fields{model="echo",version="2"}'
    assert page(collector)[fields] == 1.0
    database.refused, database.now = {"drift"}, 130.0
    assert (page(collector)[fields], unread(collector)) == (1.0, set())
    database.now = 131.0
    assert fields not in page(collector)
    assert unread(collector) == {"drift"}
    assert page(collector)["inference_database_up"] == 1.0


def test_drift_is_shown_where_the_surveyor_stopped() -> None:
    database, collector = surveyed(QUEUE._replace(age_s=25.0))
    database.drift = [DriftFigure("echo", "2", "output:label", 0.5, drifts=True)]
    assert page(collector)['inference_drift_fields{model="echo",version="2"}'] == 1.0


def test_each_part_that_is_read_is_shown() -> None:
    assert _SHOWN.keys() == PARTS.keys()
