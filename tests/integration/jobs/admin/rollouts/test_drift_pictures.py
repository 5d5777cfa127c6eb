"""Pictures of drift: each reads the hours of its own field, and no sketch."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from jobs.models import FrozenReference
from tests.support.admin import browser_of, text_of
from tests.support.drift import make_drift

DRIFT = "/admin/jobs/frozenreference/"


@pytest.fixture
def drifting(db: str) -> FrozenReference:
    return make_drift()


@pytest.fixture
def viewer(db: str) -> Browser:
    return browser_of("view_frozenreference", name="vera")


def test_each_picture_of_the_page_reads_one_field(viewer: Browser, drifting: FrozenReference) -> None:
    page = text_of(viewer, f"{DRIFT}{drifting.pk}/change/")
    addresses = [
        found.replace("&amp;", "&") for found in re.findall(r'<img src="([^"]+field[.]svg[^"]+)"', page)
    ]
    assert len(addresses) >= 3
    for address in addresses:
        with CaptureQueriesContext(connection) as queries:
            answer = viewer.get(address)
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
        read = [query["sql"] for query in queries if "jobs_drift" in query["sql"]]
        assert len(read) == 1
        assert '"jobs_drifthour"."field" = ' in read[0]


@pytest.mark.parametrize("query", ["", "?field=input:/nothing", "?field="])
def test_a_field_that_there_is_not_has_no_picture(
    viewer: Browser, drifting: FrozenReference, query: str
) -> None:
    assert viewer.get(f"{DRIFT}{drifting.pk}/field.svg{query}").status_code == 404
    assert viewer.get(f"{DRIFT}999999/field.svg?field=output:label").status_code == 404


def test_a_picture_takes_the_right_to_view(drifting: FrozenReference) -> None:
    other = browser_of("view_rollout", name="otto")
    assert other.get(f"{DRIFT}{drifting.pk}/field.svg?field=output:label").status_code == 403
