"""A process has one engine, and so one pool of connections."""

from __future__ import annotations

import time
from functools import cache

import pytest

from jobs.db import engine as module
from tests.support.threads import at_once


def test_threads_that_ask_first_at_the_same_time_share_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[object]()

    def slow() -> object:
        time.sleep(0.02)  # as connecting threads do, others come meanwhile
        made.append(object())
        return made[-1]

    monkeypatch.setattr(module, "_made", cache(slow))
    engines = at_once([module.engine.__wrapped__] * 4)
    assert len(made) == 1
    assert set(engines) == set(made)
