"""Events that come in a burst reach the pages' loop together, in order, and none is left behind."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flower.options import default_options

from inference_site.viewer.event_reader import EventThread
from inference_site.viewer.event_viewer import viewing_app


@pytest.fixture
def calls() -> list[Callable[[], None]]:
    return []


@pytest.fixture
def reader(calls: list[Callable[[], None]]) -> EventThread:
    loop = SimpleNamespace(add_callback=calls.append)
    most = {"max_tasks_in_memory": 10, "max_workers_in_memory": default_options.max_workers}
    return EventThread(viewing_app("memory://"), io_loop=loop, enable_events=False, **most)


def event(number: int) -> dict[str, Any]:
    return {"type": "task-received", "hostname": "h", "uuid": str(number)}


def test_a_burst_is_one_call_of_the_loop(
    reader: EventThread, calls: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[dict[str, Any]]()
    monkeypatch.setattr(reader, "state", SimpleNamespace(event=seen.append))
    for number in range(5):
        reader.on_event(event(number))
    assert len(calls) == 1
    calls.pop()()
    assert seen == [event(number) for number in range(5)]
    assert calls == []
    reader.on_event(event(5))
    assert len(calls) == 1


def test_what_follows_a_broken_event_is_noted(
    reader: EventThread, calls: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[str]()

    def note(one: dict[str, Any]) -> None:
        if one["uuid"] == "1":
            raise KeyError("a forged event")
        seen.append(one["uuid"])

    monkeypatch.setattr(reader, "state", SimpleNamespace(event=note))
    for number in range(3):
        reader.on_event(event(number))
    with pytest.raises(KeyError):
        calls.pop()()
    calls.pop()()
    assert seen == ["0", "2"]


def test_what_arrives_during_a_call_waits_behind_the_pages(
    reader: EventThread, calls: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[str]()

    def note(one: dict[str, Any]) -> None:
        seen.append(one["uuid"])
        if one["uuid"] == "0":
            reader.on_event(event(2))

    monkeypatch.setattr(reader, "state", SimpleNamespace(event=note))
    reader.on_event(event(0))
    reader.on_event(event(1))
    calls.pop(0)()
    assert seen == ["0", "1"]
    calls.pop(0)()
    assert seen == ["0", "1", "2"]
