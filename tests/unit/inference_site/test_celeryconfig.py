from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.schedules import crontab

from inference_site import celeryconfig
from inference_site.celery import app

SCHEDULE: dict[str, dict[str, Any]] = celeryconfig.beat_schedule


@pytest.mark.parametrize("name", SCHEDULE)
def test_what_beat_sends_is_due_by_the_clock_and_not_by_its_own_start(name: str) -> None:
    schedule = SCHEDULE[name]["schedule"]
    assert isinstance(schedule, crontab)
    day = datetime(2026, 11, 28, tzinfo=UTC)
    # Beat starts every six hours, as with four deploys a day; each start has its own memory.
    starts = [day + timedelta(hours=6 * number) for number in range(4)]
    assert any(sent_before(schedule, start, start + timedelta(hours=6)) for start in starts)


def sent_before(schedule: crontab, start: datetime, end: datetime) -> bool:
    minutes = int((end - start).total_seconds()) // 60
    looks = (start + timedelta(minutes=minute) for minute in range(1, minutes))
    return any(at(schedule, look).is_due(start).is_due for look in looks)


def at(schedule: crontab, now: datetime) -> crontab:
    return crontab(minute=schedule._orig_minute, hour=schedule._orig_hour, nowfun=lambda: now)


def test_every_task_that_beat_sends_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in SCHEDULE.values()} <= app.tasks.keys()


def test_beat_sends_a_task_each_minute_so_that_its_silence_is_noticed() -> None:
    from jobs.worker.process_marks import SENT_LATELY_S

    assert repr(SCHEDULE["beat"]["schedule"]) == repr(crontab())
    assert SENT_LATELY_S > 2 * 60
