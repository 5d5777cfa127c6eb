"""The live page without a script: what it shows, to whom, and what it lets a browser do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from unittest import mock

import pytest
from django.test import Client as Browser

from jobs.core.operations.operations_reading import ClientReading, Reading, RedKind
from tests.support.admin import browser_of, text_of
from tests.support.readings import QUICK, failure, model_reading, reading, red, worker_reading

PAGE, INDEX = "/admin/operations/", "/admin/"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def seen() -> Iterator[mock.Mock]:
    """Let the page and the index see a reading of the test's choice."""
    newest = mock.Mock(return_value=reading())
    with mock.patch("inference_site.newest_reading.newest_reading", newest):
        yield newest


class Tables(HTMLParser):
    """Reads the cells of a page's tables, by the table's id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: dict[str, list[list[str]]] = {}
        self._table, self._in_cell = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._table = dict(attrs).get("id") or ""
            self.cells[self._table] = []
        if tag == "tr" and self._table:
            self.cells[self._table].append([])
        if tag in ("td", "th") and self._table:
            self.cells[self._table][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False
        if tag == "table":
            self._table = ""

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[self._table][-1][-1] += data


def troubled() -> Reading:
    things = [
        red(
            RedKind.NO_WORKER,
            "48,211 jobs wait for minilm and no worker serves it.",
            href="/admin/jobs/worker/",
        ),
        red(RedKind.PAUSED, "olga paused the model sleeper: a leak.", href="/admin/jobs/workpause/"),
        red(
            RedKind.DEAD_LETTERS,
            "212 dead letters of echo.",
            href="/admin/jobs/deadletter/?model=echo&kind=model",
        ),
    ]
    return reading(red=things, models=[model_reading(failures=[failure()])])


def test_the_window_s_words_agree_with_its_length(browser: Browser, seen: mock.Mock) -> None:
    seen.return_value = reading(window_s=1.0)
    assert "of the last 1 second." in text_of(browser, PAGE)


def test_without_a_script_all_stands_in_tables(browser: Browser, seen: mock.Mock) -> None:
    page = text_of(browser, PAGE)
    assert "of the last 60 seconds." in page
    tables = Tables(page).cells
    assert tables["table-models"][1][:4] == ["echo", "10", "1 min 15 s", "30.0/s"]
    assert tables["table-clients"][1][0] == "search"
    assert tables["table-workers"][1][0] == "gpu-0@host"
    assert tables["table-relays"][1][0] == "relay@host:4711"
    assert [part for part, *_ in tables["table-parts"][1:]] == ["database", "survey"]
    assert tables["table-stages"][1][0] == "echo"


def test_what_is_red_stands_on_top_and_leads_to_where_one_acts(browser: Browser, seen: mock.Mock) -> None:
    seen.return_value = troubled()
    page = text_of(browser, PAGE)
    assert page.index("2 red, 1 amber") < page.index('id="table-models"')
    assert '<a href="/admin/jobs/deadletter/?model=echo&amp;kind=model">212 dead letters of echo.</a>' in page
    assert '<a href="/admin/jobs/workpause/">olga paused the model sleeper: a leak.</a>' in page


def test_names_of_models_clients_and_workers_stay_text(browser: Browser, seen: mock.Mock) -> None:
    client = ClientReading(client=EVIL, href="/admin/", waiting=1, out_per_s=1.0, total=QUICK)
    seen.return_value = reading(
        models=[model_reading(EVIL, held=EVIL, failures=[failure(fingerprint=EVIL)])],
        clients=[client], workers=[worker_reading(EVIL, device=EVIL)], red=[red(RedKind.PAUSED, EVIL)],
    )  # fmt: skip
    page = text_of(browser, PAGE)
    assert EVIL not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8
    assert EVIL not in text_of(browser, INDEX)


def test_no_other_origin_no_style_and_no_script_of_a_page_is_allowed(
    browser: Browser, seen: mock.Mock
) -> None:
    answer = browser.get(PAGE)
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert {
        rules[name] for name in ("script-src", "style-src", "connect-src", "font-src", "form-action")
    } == {"'self'"}
    page = answer.content.decode()
    assert re.findall(r"<style| style=|<script>|\bon[a-z]+=\"", page) == []
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*"', page) == []
    assert "no-store" in answer.headers["Cache-Control"]


def test_each_script_and_style_of_the_page_is_served(browser: Browser, seen: mock.Mock) -> None:
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', text_of(browser, PAGE))
    assert len(files) >= 6
    for path in files:
        with closing(browser.get(path)) as answer:
            assert answer.status_code == 200, path


def test_it_has_a_permission_of_its_own(seen: mock.Mock, db: str) -> None:
    assert browser_of("view_operations").get(PAGE).status_code == 200
    others = browser_of("view_job", "view_worker", name="jo")
    assert others.get(PAGE).status_code == 403
    anybody = Browser(SERVER_NAME="localhost").get(PAGE)
    assert (anybody.status_code, anybody.headers["Location"]) == (302, f"/admin/login/?next={PAGE}")


def test_it_only_reads(browser: Browser, seen: mock.Mock) -> None:
    assert browser.post(PAGE).status_code == 405


def test_the_index_shows_what_is_red_and_leads_to_the_page(browser: Browser, seen: mock.Mock) -> None:
    seen.return_value = troubled()
    page = text_of(browser, INDEX)
    assert (
        page.index("212 dead letters of echo.")
        < page.index("Open the live page")
        < page.index('href="/admin/jobs/batch/"')
    )
    assert f'href="{PAGE}"' in page


def test_the_index_shows_the_worst_and_counts_the_rest(browser: Browser, seen: mock.Mock) -> None:
    seen.return_value = reading(
        red=[red(RedKind.DEAD_LETTERS, f"group {n}", fingerprint=str(n)) for n in range(11)]
    )
    page = text_of(browser, INDEX)
    assert (page.count("group "), "3 more on the live page." in page, "11 red" in page) == (8, True, True)


def test_who_may_not_see_the_page_sees_nothing_of_it_on_the_index(seen: mock.Mock, db: str) -> None:
    seen.return_value = troubled()
    page = text_of(browser_of("view_job"), INDEX)
    assert "dead letters" not in page
    assert PAGE not in page


def test_without_a_reading_both_say_so(browser: Browser, seen: mock.Mock) -> None:
    seen.return_value = None
    assert "could not be read yet" in text_of(browser, PAGE)
    assert "could not be read" in text_of(browser, INDEX)


def test_the_root_leads_operators_to_the_page_and_nobody_else(seen: mock.Mock, db: str) -> None:
    assert browser_of("view_operations").get("/").headers["Location"] == PAGE
    assert browser_of("view_job", name="jo").get("/").headers["Location"] == INDEX
    assert Browser(SERVER_NAME="localhost").get("/").status_code == 404


def test_a_chosen_model_is_chosen_on_the_page_and_others_are_not(browser: Browser, seen: mock.Mock) -> None:
    assert "<option selected>echo</option>" in text_of(browser, f"{PAGE}?model=echo&span=day")
    assert "selected" not in text_of(browser, f"{PAGE}?model=%3Cscript%3E")
