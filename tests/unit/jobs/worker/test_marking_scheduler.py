from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab
from django.conf import settings

from jobs.worker import process_marks
from jobs.worker.marking_scheduler import MarkingScheduler


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MarkingScheduler:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, health_dir=str(tmp_path)))
    app = Celery(set_as_current=False)
    app.conf.beat_schedule = {"beat": {"task": "another.process.has_it", "schedule": crontab()}}
    return MarkingScheduler(app)


def test_a_task_that_the_broker_took_leaves_a_mark(
    scheduler: MarkingScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "send_task", lambda *_, **__: "sent")
    scheduler.apply_entry(scheduler.schedule["beat"])
    assert process_marks.age_s(process_marks.BEAT) is not None


def test_a_task_that_it_did_not_take_leaves_none(
    scheduler: MarkingScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(scheduler, "send_task", refuse)
    scheduler.apply_entry(scheduler.schedule["beat"])
    assert process_marks.age_s(process_marks.BEAT) is None
