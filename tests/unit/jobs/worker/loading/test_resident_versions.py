"""The look after what aliases need goes on whatever fails, and moves wait for loads that did begin."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.core.errors import UnavailableError
from jobs.worker.loading import resident_versions
from jobs.worker.loading.resident_versions import ResidentVersions
from models_registry.core.loads.wanted import Wanted


def the_looks(monkeypatch: pytest.MonkeyPatch, finish: Any, resting: set[int]) -> tuple[Any, list[int]]:
    asked, stop = list[int](), Event()
    pool = SimpleNamespace(
        keep=lambda **_: None,
        loaded=list,
        retry_in_s=lambda version: float(version in resting),
        report_again=lambda: None,
    )
    loader: Any = SimpleNamespace(pool=pool, request=lambda version, **_: asked.append(version))
    wanted = Wanted(stable=(1,), coming=(2,))
    monkeypatch.setattr(resident_versions, "wanted_versions", lambda *_, **__: wanted)
    monkeypatch.setattr(resident_versions, "finish_moves", lambda _: finish(stop))
    monkeypatch.setattr(resident_versions, "LOOK_S", 0.0)
    return ResidentVersions(loader, lambda: ["echo"], stop=stop), asked


def test_a_database_that_is_away_while_a_move_is_ended_ends_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors = [UnavailableError("away"), RuntimeError("dictionary changed size during iteration")]

    def finish(stop: Event) -> None:
        if errors:
            raise errors.pop()
        stop.set()

    looks, _ = the_looks(monkeypatch, finish, set())
    looks.run()
    assert not errors


def test_a_version_that_is_to_come_is_asked_for_until_it_is_loaded_or_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resting = set[int]()
    looks, asked = the_looks(monkeypatch, lambda _: None, resting)
    for _ in range(2):
        looks.step()
    assert asked == [1, 2, 2]
    resting.add(2)
    looks.step()
    assert asked == [1, 2, 2]
