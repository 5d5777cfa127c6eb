"""The tasks of Flower's pages are found as they are when a page asks, however many events came before."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flower.utils.search import TaskSearchEngine
from flower.utils.tasks import search_tasks

from inference_site.viewer.seen_events import SeenEvents

MOST = 10


def state() -> SeenEvents:
    return SeenEvents(max_tasks_in_memory=MOST, max_workers_in_memory=5)


def happens(seen: SeenEvents, kind: str, uuid: str, **more: Any) -> None:
    now = time.time()
    at = {"hostname": "w@h", "timestamp": now, "local_received": now, "clock": 1, "utcoffset": 0, "pid": 1}
    seen.event({"type": kind, "uuid": uuid, "name": "jobs.infer", **at, **more})


def found(seen: SeenEvents, **conditions: Any) -> set[str]:
    return set(search_tasks(SimpleEvents(seen), **conditions).task_ids)


class SimpleEvents:
    """What Flower's search asks for."""

    def __init__(self, seen: SeenEvents) -> None:
        self.state = seen


def test_a_task_is_found_in_its_newest_state() -> None:
    seen = state()
    happens(seen, "task-received", "a")
    happens(seen, "task-received", "b")
    assert found(seen, state="RECEIVED") == {"a", "b"}
    happens(seen, "task-succeeded", "a", runtime=0.1)
    assert found(seen, state="RECEIVED") == {"b"}
    assert found(seen, state="SUCCESS", search="jobs.infer") == {"a"}
    assert seen.counter["w@h"]["task-received"] == 2


def test_forgotten_tasks_are_in_no_index() -> None:
    seen = state()
    for number in range(100):
        happens(seen, "task-received", str(number))
    assert found(seen) == {str(number) for number in range(90, 100)}
    assert len(seen.search_engine.documents) == MOST
    happens(seen, "task-received", "new")
    assert found(seen) == {*(str(number) for number in range(91, 100)), "new"}
    assert len(seen.search_engine.documents) == MOST


def test_events_alone_index_nothing_and_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    indexed = list[Any]()
    monkeypatch.setattr(TaskSearchEngine, "upsert", lambda _, task: indexed.append(task))
    seen = state()
    for number in range(1_000):
        happens(seen, "task-received", str(number))
    assert indexed == []
    assert len(seen._changed) <= 2 * MOST
    seen.clear_tasks()
    assert indexed == []
