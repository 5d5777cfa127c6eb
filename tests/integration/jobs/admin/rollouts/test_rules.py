"""Rules as diffs of the one before, and what answered for an alias at a moment and who had decided it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client as Browser

from models_registry.models import Promotion
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_version
from tests.support.shown_rollouts import make_rollout, make_rule

RULES = "/admin/models_registry/rule/"


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 29, hour, minute, tzinfo=UTC)


@pytest.fixture
def history(db: str) -> None:
    """Move the alias at 9:00; give a candidate 1 % at 10:00, 5 % at 11:00, and go back at 12:00."""
    rollout = make_rollout()
    make_version("other", "1")
    Promotion.objects.create(model="echo", alias="default", after="1", actor="olga", reason="first", at=at(9))
    Promotion.objects.create(model="other", alias="default", after="1", actor="ann", at=at(9))
    make_rule(1, rollout, share=0.01, at=at(10), actor="judge")
    make_rule(2, rollout, share=0.05, at=at(11), actor="judge", reason="step 2")
    back = {"stable": "1", "candidate": None, "share": 0.0}
    make_rule(3, rollout, document=back, at=at(12), actor="bob", reason="it flaps")


def answered(browser: Browser, moment: str, model: str = "echo") -> list[list[str]]:
    """Return the rows of what answered then."""
    page = text_of(browser, f"{RULES}?at={moment}&of={model}")
    table = re.search(r"What answered at.*?</table>|No alias stood", page, re.DOTALL)
    rows = re.findall(r"<tr>(<td>.*?)</tr>", table[0], re.DOTALL) if table else []
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)]
        for row in rows
    ]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("moment", "answer", "decided", "who"),
    [
        ("2026-11-29T09:30:00", "echo:1", "a move of the alias", "olga"),
        ("2026-11-29T10:30:00", "echo:1, and echo:2 for 1 %", "rule 1", "judge"),
        ("2026-11-29T11:00:00", "echo:1, and echo:2 for 5 %", "rule 2", "judge"),
        ("2026-11-29T14:03:00", "echo:1", "rule 3", "bob"),
    ],
)
def test_what_answered_at_a_moment_and_who_had_decided_it(
    browser: Browser, moment: str, answer: str, decided: str, who: str
) -> None:
    ((alias, answers, by, actor, *_),) = answered(browser, moment)
    assert (alias, answers, actor) == ("echo@default", answer, who)
    assert by.startswith(decided)


@pytest.mark.usefixtures("history")
def test_without_a_model_every_alias_is_answered_for_and_before_all_none(browser: Browser) -> None:
    assert [row[0] for row in answered(browser, "2026-11-29T14:00:00", "")] == [
        "echo@default",
        "other@default",
    ]
    assert answered(browser, "2020-01-01T00:00:00") == []
    assert "Enter a valid date/time." in text_of(browser, f"{RULES}?at=yesterday&of=")


@pytest.mark.usefixtures("history")
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


@pytest.mark.usefixtures("history")
def test_rules_cannot_be_changed_and_are_for_those_who_may_view_them(browser: Browser) -> None:
    for end in ("add/", "1/delete/"):
        assert browser.post(f"{RULES}{end}", {}).status_code in {403, 404}
    assert browser_of("view_job", name="jo").get(RULES).status_code == 403
