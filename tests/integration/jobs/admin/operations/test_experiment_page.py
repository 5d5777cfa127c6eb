"""An experiment's page: its load as a command, its runs, and what differs between the arms."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client as Browser

from jobs.models import Measurement
from tests.support.admin import ids_on, text_of
from tests.support.shown_platform import make_experiment

LIST = "/admin/jobs/experiment/"


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of the page's tables, row by row."""
    rows = (re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr><td>.*?</tr>", page))
    return [[unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row] for row in rows]


def test_it_shows_the_load_as_a_command_and_why_a_run_is_invalid(browser: Browser) -> None:
    row = make_experiment(load={"words": ["echo", "--slo", "p95 = 1s"]})
    reasons = {"verdict": "invalid", "reasons": ["late", "few"]}
    Measurement.objects.filter(arm="candidate").update(report=reasons)
    page = text_of(browser, f"{LIST}{row.pk}/change/")
    assert "manage.py loadtest echo --slo 'p95 = 1s'" in unescape(page)
    baseline, candidate = rows_of(page)[:2]
    assert baseline[3:] == ["-", "-", "-"]
    assert candidate[3:] == ["invalid", "-", "late; few"]
    assert "no setting" in page


def test_it_shows_what_differs_between_the_newest_runs_of_the_arms(browser: Browser) -> None:
    row = make_experiment()
    Measurement.objects.filter(arm="candidate").update(settings={"A": 2})
    assert ["A", "1", "2"] in rows_of(text_of(browser, f"{LIST}{row.pk}/change/"))
    Measurement.objects.filter(arm="baseline").delete()
    assert "no setting" not in text_of(browser, f"{LIST}{row.pk}/change/")


@pytest.mark.parametrize(("verdict", "shown"), [("", 1), ("supported", 0)])
def test_open_ones_can_be_filtered(browser: Browser, verdict: str, shown: int) -> None:
    make_experiment()
    assert len(ids_on(browser, f"{LIST}?verdict={verdict}")) == shown
