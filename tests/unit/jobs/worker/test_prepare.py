"""A claimed batch is prepared with its version's own rules, also where the version cannot be loaded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError

from jobs.core.batch import SealReason
from jobs.core.failures import FailureKind
from jobs.store.claim import Claimed
from jobs.worker.claim import Claimer
from jobs.worker.work import Work
from models_registry import selectors
from models_registry.core.errors import LoadFailedError, ModelNotFoundError
from models_registry.core.retry_options import RetryOptions, RetryRule
from models_registry.core.secrecy import Secrecy
from models_registry.loaders.builtin import Echo
from models_registry.loaders.faults import EXPORT

OPTIONS = {"batch_limit_s": 7, "retry": {"base_s": 3, "kinds": {"timeout": {"attempts": 2}}}}


class Pool:
    """Has the version, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def acquire(self, version: int) -> Any:
        if self.error:
            raise self.error
        info = SimpleNamespace(id=version, model="m", loader="export", options=OPTIONS, secrecy=Secrecy())
        return SimpleNamespace(runner=Echo(), info=info)


def prepared(error: Exception | None = None) -> Work:
    claimer: Any = Claimer.__new__(Claimer)  # to prepare takes nothing but the pool
    claimer._pool = Pool(error)
    work = Work(UUID(int=1), 5, 1, SealReason.FULL, [], jobs=[Claimed(UUID(int=2), 1, 1, 3, b"{}", None)])
    claimer.prepare(work)
    return work


def test_a_batch_runs_by_its_version_s_limit_policy_and_loader() -> None:
    work = prepared()
    assert (work.limit_s, work.table) == (7, EXPORT)
    assert work.retry.rule_for("timeout") == RetryRule(2, 3.0)


def test_a_version_that_cannot_be_loaded_is_tried_again_by_its_own_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def info(version: int) -> Any:
        asked.append(version)
        return SimpleNamespace(options=OPTIONS)

    monkeypatch.setattr(selectors, "info", info)
    work = prepared(LoadFailedError("not now"))
    assert work.failure is not None
    assert (work.failure.kind, work.retry.rule.base_s, asked) == (FailureKind.TRANSIENT, 3.0, [5])


@pytest.mark.parametrize("error", [ModelNotFoundError(), OperationalError("restarts")])
def test_where_nobody_knows_the_policy_the_default_holds(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def raises(_version: int) -> None:
        raise error

    monkeypatch.setattr(selectors, "info", raises)
    assert prepared(LoadFailedError()).retry == RetryOptions()
