"""The switch `cache`: a job for which its flag is off runs by itself, and leaves nothing for others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.core.rollouts.flag_requests import FlagPreview
from jobs.models import CacheEntry, Follower
from jobs.services.flags.flag_preview import preview_flag
from models_registry import selectors
from models_registry.services.flags import remove_flag
from tests.support.factories import make_version
from tests.support.flags import OWNED, flag
from tests.support.rules import rule, two_versions
from tests.support.submit import submit_to

SHARED: dict[str, Any] = {"cache_ttl_s": 60, "collapse": True}


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def submitted(model: str = "echo", text: str = "same", **fields: Any) -> tuple[int, int]:
    """Submit a job and return how many cache entries and followers there are."""
    submit_to(model, {"text": text}, **fields)
    return CacheEntry.objects.count(), Follower.objects.count()


def test_where_it_is_off_identical_jobs_each_run_and_leave_no_entry() -> None:
    make_version("echo", options=SHARED)
    flag("cache", on=False)
    assert [submitted(), submitted()] == [(0, 0), (0, 0)]
    remove_flag(name="cache", actor="olga")
    assert [submitted(), submitted()] == [(1, 0), (1, 1)]


def test_it_may_be_off_for_one_client_priority_or_kind_of_job() -> None:
    make_version("echo", options=SHARED)
    urgent = {"properties": {"priority": {"minimum": 7}}}
    flag("cache", when={"not": urgent})
    assert submitted(text="a", priority=7) == (0, 0)
    assert submitted(text="b", priority=6) == (1, 0)
    flag("cache", when={"not": {"properties": {"client": {"const": "tests"}}}})
    assert submitted(text="c") == (1, 0)
    tier = {"properties": {"parameters": {"properties": {"tier": {"const": "new"}}, "required": ["tier"]}}}
    flag("cache", when={"not": tier})
    assert submitted(text="d", parameters={"tier": "new"}) == (1, 0)
    assert submitted(text="e") == (2, 0)


def test_a_share_of_the_inputs_is_what_the_preview_says() -> None:
    make_version("echo", options=SHARED)
    flag("cache", share=0.5)
    for number in range(40):
        submitted(text=str(number))
    asked = FlagPreview(document=OWNED | {"share": 0.5}, last=100)
    assert CacheEntry.objects.count() == preview_flag(name="cache", asked=asked, client="tests").on
    assert 5 < CacheEntry.objects.count() < 35


def test_a_job_that_a_rule_decided_for_is_drawn_by_the_key_of_its_rule() -> None:
    two_versions(options=SHARED)
    rule(sticky="client")
    flag("cache", share=0.5)
    for number in range(10):
        submitted(text=str(number))
    asked = FlagPreview(document=OWNED | {"share": 0.5}, last=100)
    on = preview_flag(name="cache", asked=asked, client="tests").on
    assert CacheEntry.objects.count() == on
    assert on in {0, 10}


def test_without_a_flag_of_its_name_a_submit_makes_no_statement_more() -> None:
    make_version("echo", options=SHARED)
    submitted(text="warm")
    counts = []
    for text, name in (("none", None), ("other", "beta")):
        if name is not None:
            flag(name)
        selectors.forget()
        with CaptureQueriesContext(connection) as queries:
            submit_to("echo", {"text": text})
        counts.append(len([query for query in queries if "models_registry_" in query["sql"]]))
    assert counts[0] == 2
    assert counts[1] == 3  # a process reads the flags once a second, where there are some
