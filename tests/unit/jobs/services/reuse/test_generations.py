"""The generations of caches are read for jobs that may take a result, and for no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from jobs.services.reuse.generations import forget_generations, generation_of


def job(cache: str, *, shares_runs: bool = True) -> Any:
    """Return what the generation is decided by."""
    options = SimpleNamespace(shares_runs=shares_runs)
    version = SimpleNamespace(model_id=3, platform_options=options)
    return SimpleNamespace(cache=cache, route=None, version=version)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    forget_generations()
    found = MagicMock(return_value=[SimpleNamespace(model=3, generation=7)])
    monkeypatch.setattr("jobs.services.reuse.generations.fetch_all", found)
    return found


@pytest.mark.parametrize("cache", ["use", "refresh"])
def test_a_job_that_shares_has_its_model_s_generation(cache: str, reads: MagicMock) -> None:
    assert [generation_of(job(cache)) for _ in range(3)] == [7] * 3
    assert reads.call_count == 1
    forget_generations()


def test_a_job_that_shares_nothing_or_bypasses_the_cache_reads_no_generation(reads: MagicMock) -> None:
    assert generation_of(job("bypass")) == 0
    assert generation_of(job("use", shares_runs=False)) == 0
    assert not reads.called
