"""A purge makes every cached result of a model void at once, and no other model's."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from jobs.models import CacheEntry, Job
from jobs.services.reuse.generations import purge_cache
from models_registry.models import RegisteredModel
from tests.support.reuse import MODEL, shared_version, submit
from tests.support.worker import settle_due


def answered(session: sa.Connection) -> None:
    submit()
    assert len(settle_due(session)) == 1


@pytest.mark.parametrize(("model", "purged"), [(MODEL, True), ("other", False)])
def test_only_a_purged_model_runs_an_identical_request_again(
    session: sa.Connection, model: str, *, purged: bool
) -> None:
    shared_version()
    other, _ = RegisteredModel.objects.get_or_create(name="other")
    answered(session)
    assert Job.objects.get(pk=submit().id).state == "succeeded"
    key = RegisteredModel.objects.get(name=MODEL).pk if purged else other.pk
    assert purge_cache(key, model=model, actor="olga") == 1
    assert Job.objects.get(pk=submit().id).state == ("queued" if purged else "succeeded")


def test_what_ran_after_a_purge_answers_again(session: sa.Connection) -> None:
    shared_version()
    answered(session)
    purge_cache(RegisteredModel.objects.get(name=MODEL).pk, model=MODEL, actor="olga")
    answered(session)
    assert Job.objects.get(pk=submit().id).state == "succeeded"
    assert CacheEntry.objects.count() == 2  # the older one goes when its time is over
