"""Every page has a policy under which no inserted script runs, and has no script or style inside."""

from __future__ import annotations

from collections import defaultdict
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client as Browser

from jobs.core.states import State
from tests.support.admin import admin_pages
from tests.support.factories import make_client, make_job
from tests.support.flags import flag
from tests.support.shown_rollouts import make_point, make_rollout, numbers


class Inline(HTMLParser):
    """Collects scripts and handlers that stand in a page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or "style" in given:
            self.found.append("style")
        if tag == "script" and not given.get("src") and given.get("type") != "application/json":
            self.found.append("script")
        self.found += [name for name in given if name.startswith("on")]
        self.found += [value for value in given.values() if value and value.startswith("javascript:")]


def inline_in(page: str) -> list[str]:
    parser = Inline()
    parser.feed(page)
    return parser.found


def pages() -> list[str]:
    job, user = make_job(state=State.DEAD), User.objects.get()
    group, client = Group.objects.create(name="clerks"), make_client()
    rows = defaultdict[str, list[Any]](list, job=[job.pk], deadletter=[job.pk], client=[client.pk])
    users = ["", "add/", f"{user.pk}/change/", f"{user.pk}/password/"]
    others = ["operations/", "password_change/", f"auth/group/{group.pk}/change/", "", "nothing-here/"]
    others += [f"models_registry/{page}" for page in rollout_pages()]
    own = [f"/admin/{page}" for page in (*(f"auth/user/{page}" for page in users), *others)]
    return [*admin_pages(rows), *own, "/docs/", "/docs/api", "/api/v1/docs"]


def rollout_pages() -> list[str]:
    rollout = make_rollout()
    make_point(rollout, "start", numbers=numbers(10, 1, 100, 1, e_failures=2.0))
    page = f"rollout/{rollout.pk}"
    acts = [f"{page}/act/{act}/" for act in ("roll_back", "grant_budget", "promote")]
    version = f"modelversion/{rollout.candidate.pk}/act/block/"
    return ["rollout/", "rollout/start/", f"{page}/change/", *acts, version, "rule/", *flag_pages()]


def flag_pages() -> list[str]:
    row = flag()
    own = [f"flag/{row.pk}/{page}/" for page in ("change", "put", "remove")]
    return ["flag/", "flag/new/", *own, "flagchange/", "flagchange/?at=2026-01-31T14:03:00"]


def test_every_page_has_a_policy_for_scripts_and_no_script_inside(browser: Browser) -> None:
    seen = [(page, browser.get(page, follow=True)) for page in pages()]
    assert len(seen) > 30
    for page, answer in seen:
        policy = answer.headers["Content-Security-Policy"]
        rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.strip()}
        assert rules["default-src"] == ["'none'"], page
        assert rules.get("script-src", ["'self'"]) == ["'self'"], page
        assert rules["frame-ancestors"] == ["'none'"], page
        is_admin = page.startswith("/admin/")
        assert rules["style-src"] == ["'self'"] or not is_admin, page
        assert [what for what in inline_in(answer.content.decode()) if is_admin or what != "style"] == [], (
            page
        )


def test_the_login_has_the_policy_too(db: str) -> None:
    answer = Browser(SERVER_NAME="localhost").get("/admin/login/")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert inline_in(answer.content.decode()) == []


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/openapi.json", "/api/v1/jobs", "/api/nothing"])
def test_answers_for_programs_allow_nothing(db: str, path: str) -> None:
    answer = Browser(SERVER_NAME="localhost").get(path)
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_the_check_finds_scripts_inside() -> None:
    page = (
        '<script>1</script><script src="a.js"></script><a href="javascript:x" onclick="y">z</a><b style="x">'
    )
    assert inline_in(page) == ["script", "onclick", "javascript:x", "style"]
