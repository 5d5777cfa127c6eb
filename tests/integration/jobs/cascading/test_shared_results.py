"""Results of cascades are shared only as all their steps allow, and void once one step's model is purged."""

from __future__ import annotations

import pytest

from jobs.core.states import State
from jobs.services.reuse.generations import forget_generations, purge_cache
from models_registry.models import ModelVersion
from tests.support.cascades import answer, light_and_heavy, put_cascade, ran, submit


@pytest.fixture
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    assert db
    forget_generations()
    return light_and_heavy(cache_ttl_s=60)


def answered_by_both() -> None:
    job = submit()
    ran(job, answer(0.3))
    assert ran(job, answer(0.1)).state == State.SUCCEEDED


@pytest.mark.parametrize("options", [{"cache_ttl_s": 0}, {"cache_ttl_s": 0, "collapse": True}])
def test_an_answer_of_a_step_that_shares_none_is_not_shared(
    versions: tuple[ModelVersion, ModelVersion], options: dict[str, object]
) -> None:
    ModelVersion.objects.filter(id=versions[1].id).update(options=options)
    put_cascade()
    answered_by_both()
    assert submit().state == State.QUEUED


@pytest.mark.parametrize("purged", [0, 1])
def test_a_purge_of_any_steps_model_voids_the_results(
    versions: tuple[ModelVersion, ModelVersion], purged: int
) -> None:
    put_cascade()
    answered_by_both()
    assert submit().state == State.SUCCEEDED, "it is shared"
    purge_cache(versions[purged].model_id, model=str(versions[purged]), actor="olga")
    assert submit().state == State.QUEUED
