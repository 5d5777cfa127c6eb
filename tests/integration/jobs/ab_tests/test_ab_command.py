"""`manage.py rules report` and the admin's page of an A/B test."""

from __future__ import annotations

import json
import random
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from models_registry.models import ModelVersion, Rule
from tests.support.ab_tests import ab_rule, expose, say
from tests.support.admin import browser_of, text_of
from tests.support.rules import rule

RULES = "/admin/models_registry/rule/"


def rules(*arguments: str) -> str:
    out = StringIO()
    call_command("rules", *arguments, stdout=out)
    return out.getvalue().rstrip("\n")


@pytest.fixture
def put(db: str) -> Rule:
    return ab_rule(sticky="client")


@pytest.fixture
def compared(put: Rule) -> Rule:
    """Return a rule one arm of which is liked more."""
    chance = random.Random(2)
    for version, likes, first in (("1", 0.2, 0), ("2", 0.7, 1_000)):
        jobs = expose(put, ModelVersion.objects.get(version=version), range(first, first + 300))
        say(jobs, [float(chance.random() < likes) for _ in jobs])
        say(jobs[:3], ["cat", "cat", "dog"], "seen")
    return put


def read(text: str) -> Any:
    """Return JSON without the last digits, which depend on the order in which Postgres adds."""
    return json.loads(text, parse_float=lambda number: round(float(number), 9))


def test_the_report_is_printed_and_written(compared: Rule, tmp_path: Path) -> None:
    text = rules("report", "echo", str(compared.number), "--out", str(tmp_path / "new"))
    first, *rest = text.splitlines()
    assert first.startswith(
        f"A/B test by rule {compared.number} of echo@default: 600 jobs of 600 clients: liked"
    )
    assert any(
        line.startswith("1 (50.00%): 300 jobs of 300 clients, 300 ended, 300 with feedback") for line in rest
    )
    assert any(line.startswith("liked of 2: mean 0.") and line.endswith("certain)") for line in rest)
    assert "seen = 'cat': 1 2, 2 2" in rest
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"report.json", "report.html", "exposed.png", "errors.png", "feedback_1.png"}
    printed = read(rules("report", "echo", str(compared.number), "--json"))
    assert printed == read((tmp_path / "new" / "report.json").read_text())
    assert printed["arms"][0]["exposed"] == 300


def test_an_invalid_test_says_so_first(put: Rule) -> None:
    for version, count in (("1", 300), ("2", 100)):
        expose(
            put,
            ModelVersion.objects.get(version=version),
            range(1_000 * int(version), 1_000 * int(version) + count),
        )
    first, *rest = rules("report", "echo", str(put.number)).splitlines()
    assert ": INVALID: the arms did not get their shares (p = 2e-23" in first
    assert any(line.endswith(", INVALID") for line in rest)


def test_a_rule_without_arms_is_an_error_in_words(put: Rule) -> None:
    plain = rule(candidate=None, share=0.0)
    with pytest.raises(CommandError, match="has no arms"):
        rules("report", "echo", str(plain.number))
    with pytest.raises(CommandError, match="There is no rule 99 of echo@default"):
        rules("report", "echo", "99")
    assert (
        f"rule {put.number} of default: echo:1, in an A/B test of echo:1 for 50 % and echo:2 for 50 %"
        in rules("history", "echo")
    )


def test_the_admin_leads_from_the_rule_to_the_page(compared: Rule) -> None:
    browser = browser_of("view_rule")
    page = text_of(browser, f"{RULES}{compared.pk}/change/")
    assert f'<a href="{RULES}{compared.pk}/report/">' in page
    answer = browser.get(f"{RULES}{compared.pk}/report/")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert text.count("data:image/png;base64,") == 3
    assert "<td>300</td>" in text
    assert "liked of 2 is higher than of 1 by" in text
    assert answer["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    plain = rule(candidate=None, share=0.0)
    assert browser.get(f"{RULES}{plain.pk}/report/").status_code == 404
    assert browser.get(f"{RULES}99999/report/").status_code == 404
    assert browser_of("view_job", name="otto").get(f"{RULES}{compared.pk}/report/").status_code == 403


def test_an_invalid_test_says_so_on_its_page(put: Rule) -> None:
    for version, count in (("1", 300), ("2", 100)):
        expose(
            put,
            ModelVersion.objects.get(version=version),
            range(1_000 * int(version), 1_000 * int(version) + count),
        )
    text = text_of(browser_of("view_rule"), f"{RULES}{put.pk}/report/")
    assert '<p class="invalid">INVALID: the arms did not get their shares' in text
    assert "<strong>INVALID: the arms did not get their shares" in text


def test_what_answered_at_a_moment_names_the_arms(put: Rule) -> None:
    page = text_of(browser_of("view_rule"), f"{RULES}?at={put.at:%Y-%m-%dT%H:%M:%S.%f}&of=echo")
    assert "echo:1, in an A/B test of echo:1 for 50 % and echo:2 for 50 %" in page
