"""Rules as diffs of the one before, and what answered for an alias at a moment and who had decided it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.test import Client as Browser

from models_registry.models import Promotion
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_version
from tests.support.shown_rollouts import make_rollout, make_rule

RULES = "/admin/models_registry/rule/"


Moments = dict[str, datetime]


@pytest.fixture
def moments(db: str) -> Moments:
    """Move the alias; give a candidate 1 %, then 5 %, and go back. Return when each was decided.

    The database stamps each row itself.
    """
    rollout = make_rollout()
    make_version("other", "1")
    moves = Promotion.objects
    other = moves.create(model="other", alias="default", after="1", actor="ann")
    moved = moves.create(model="echo", alias="default", after="1", actor="olga", reason="first")
    for row in (other, moved):
        row.refresh_from_db()
    first = make_rule(1, rollout, share=0.01, actor="judge")
    second = make_rule(2, rollout, share=0.05, actor="judge", reason="step 2")
    back = {"stable": "1", "candidate": None, "share": 0.0}
    third = make_rule(3, rollout, document=back, actor="bob", reason="it flaps")
    rows: dict[str, Any] = {"before": other, "moved": moved, "1 %": first, "5 %": second, "back": third}
    return {name: row.at for name, row in rows.items()}


def answered(browser: Browser, moment: datetime, model: str = "echo") -> list[list[str]]:
    """Return the rows of what answered then."""
    page = text_of(browser, f"{RULES}?at={moment:%Y-%m-%dT%H:%M:%S.%f}&of={model}")
    table = re.search(r"What answered at <time.*?(?:</table>|No alias stood)", page, re.DOTALL)
    rows = re.findall(r"<tr>(<td>.*?)</tr>", table[0], re.DOTALL) if table else []
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)]
        for row in rows
    ]


@pytest.mark.parametrize(
    ("moment", "answer", "decided", "who"),
    [
        ("moved", "echo:1", "a move of the alias", "olga"),
        ("1 %", "echo:1, and echo:2 for 1 %", "rule 1", "judge"),
        ("5 %", "echo:1, and echo:2 for 5 %", "rule 2", "judge"),
        ("back", "echo:1", "rule 3", "bob"),
    ],
)
def test_what_answered_at_a_moment_and_who_had_decided_it(
    browser: Browser, moments: Moments, moment: str, answer: str, decided: str, who: str
) -> None:
    ((alias, answers, by, actor, *_),) = answered(browser, moments[moment])
    assert (alias, answers, actor) == ("echo@default", answer, who)
    assert by.startswith(decided)


def test_without_a_model_every_alias_is_answered_for_and_before_all_none(
    browser: Browser, moments: Moments
) -> None:
    aliases = [alias for alias, *_ in answered(browser, moments["back"], "")]
    assert aliases == ["echo@default", "other@default"]
    assert [alias for alias, *_ in answered(browser, moments["before"], "")] == ["other@default"]
    assert answered(browser, moments["before"]) == []
    assert "Enter a valid date/time." in text_of(browser, f"{RULES}?at=yesterday&of=")
    assert "in the years 1 to 9999" in text_of(browser, f"{RULES}?at=0001-01-01T00:00:00%2B14:00&of=")


@pytest.mark.usefixtures("moments")
def test_the_list_shows_what_each_rule_changed(browser: Browser) -> None:
    page = text_of(browser, f"{RULES}?model=echo&alias=default")
    lines = re.findall(
        r"<strong>(\w+)</strong> (?:<del>.&nbsp;([^<]*)</del>)? ?(?:<ins>.&nbsp;([^<]*)</ins>)?", page
    )
    assert lines[:2] == [("candidate", "2", ""), ("share", "5 %", "0 %")]
    assert ("share", "1 %", "5 %") in lines
    assert ("stable", "", "1") in lines
    assert text_of(browser, f"{RULES}?model=other").count("<strong>") == text_of(
        browser, "/admin/auth/user/"
    ).count("<strong>")


@pytest.mark.usefixtures("moments")
def test_rules_cannot_be_changed_and_are_for_those_who_may_view_them(browser: Browser) -> None:
    for end in ("add/", "1/delete/"):
        assert browser.post(f"{RULES}{end}", {}).status_code in {403, 404}
    assert browser_of("view_job", name="jo").get(RULES).status_code == 403
