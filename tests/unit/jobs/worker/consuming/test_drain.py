"""The worker's start: what it has loaded is left out of full collections before its stages begin."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jobs.worker import process
from jobs.worker.consuming import drain


class BegunError(Exception):
    """The stages begin."""


def test_the_heap_is_kept_before_the_stages_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = list[str]()

    def begin(**_: object) -> None:
        steps.append("begun")
        raise BegunError

    monkeypatch.setattr(drain, "keep_heap", lambda: steps.append("kept"))
    monkeypatch.setattr(process, "current", lambda: SimpleNamespace(start=begin))
    worker = SimpleNamespace(steps=[])
    with pytest.raises(BegunError):
        drain.DrainStep(worker).start(worker)
    assert steps == ["kept", "begun"]
