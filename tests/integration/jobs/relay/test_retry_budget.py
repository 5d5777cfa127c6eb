"""The relay damps a retry storm: first publishes pass, retries keep to their budget, none is lost."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.utils import timezone

from jobs import metrics
from jobs.core.retry.budget import RetryBudget
from jobs.models import Outage, Outbox
from tests.support.factories import make_jobs, make_version
from tests.support.relays import drain_jobs, new_model, ready, running
from tests.support.wait import wait_until


@pytest.fixture
def model(db: str) -> str:
    return new_model()


def make_retries(count: int, model: str) -> set[UUID]:
    """Return jobs that are due again, and more urgent than any other."""
    jobs = {job.id for job in make_jobs(count, model=model, priority=9)}
    Outbox.objects.filter(job_id__in=jobs).update(retry=True)
    return jobs


def make_first(count: int, model: str) -> set[UUID]:
    return {job.id for job in make_jobs(count, model=model, priority=0)}


def drained(url: str, model: str) -> list[UUID]:
    return [job for message in drain_jobs(url, model) for job in message]


def put_off(model: str) -> float:
    return float(metrics.RETRIES_POSTPONED.labels(model)._value.get())


def test_first_publishes_pass_a_storm_of_more_urgent_retries(model: str, broker_url: str) -> None:
    first, retries = make_first(40, model), make_retries(200, model)
    with running(broker_url, [model], budget=lambda _version: RetryBudget(0.2, floor_per_s=0.01)):
        wait_until(lambda: Outbox.objects.filter(job_id__in=first, published__gt=0).count() == 40)
        wait_until(lambda: put_off(model) >= 190)
        wait_until(lambda: ready(broker_url, model) >= 40)
    published = drained(broker_url, model)
    assert first <= set(published)
    assert len(set(published) & retries) <= 0.25 * 40 + 1
    outage = Outage.objects.get()
    assert (outage.kind, outage.model) == ("retry_budget", model)
    waiting = Outbox.objects.filter(job_id__in=retries, published=0)
    assert waiting.count() == 200 - len(set(published) & retries)


def test_a_restarted_relay_has_no_saved_budget(model: str, broker_url: str) -> None:
    retries = make_retries(100, model)
    for started in range(1, 4):
        with running(broker_url, [model], budget=lambda _version: RetryBudget(0.2, floor_per_s=0.01)):
            wait_until(lambda at=started: put_off(model) >= 100 * at)  # type: ignore[misc]  # a lambda with a default
        Outbox.objects.filter(job_id__in=retries).update(due=timezone.now())
    assert len(set(drained(broker_url, model))) <= 1


def test_every_retry_is_published_once_in_the_end(model: str, broker_url: str) -> None:
    retries = make_retries(60, model)
    with running(broker_url, [model], budget=lambda _version: RetryBudget(0.2, floor_per_s=60.0)):
        wait_until(lambda: Outbox.objects.filter(job_id__in=retries, published__gt=0).count() == 60)
        wait_until(lambda: ready(broker_url, model) == 60)
    published = drained(broker_url, model)
    assert (sorted(published), put_off(model) > 0) == (sorted(retries), True)


def test_one_version_s_storm_does_not_delay_another_version_s_retry(model: str, broker_url: str) -> None:
    make_retries(100, model)
    (calm,) = make_retries(1, model)
    other = make_version(model, "2").id
    Outbox.objects.filter(job_id=calm).update(version_id=other, priority=0)
    budgets = {other: RetryBudget(tokens=1.0)}

    def budget(version: int) -> RetryBudget:
        return budgets.get(version) or RetryBudget(floor_per_s=0.01)

    with running(broker_url, [model], budget=budget):
        wait_until(lambda: ready(broker_url, model) >= 1)
        wait_until(lambda: put_off(model) >= 99)
    assert calm in drained(broker_url, model)
