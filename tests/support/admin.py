"""Browsers of the admin's users, and the addresses and texts of its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.contrib.auth.models import Permission, User
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver

ADDRESS = "203.0.113.9"


def browser_of(*rights: str, name: str = "olga", csrf: bool = False) -> Browser:
    """Return the browser of a new member of staff with these rights; of a superuser where none is named."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=not rights)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    browser = Browser(SERVER_NAME="localhost", REMOTE_ADDR=ADDRESS, enforce_csrf_checks=csrf)
    with unaudited_logins():
        browser.force_login(user)
    return browser


@contextmanager
def unaudited_logins() -> Iterator[None]:
    """Let logins leave no Event, in tests of other events."""
    with mock.patch("jobs.services.access.logins.note"):
        yield


def text_of(browser: Browser, path: str) -> str:
    """Return the HTML of a page that exists."""
    response = browser.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


def ids_on(browser: Browser, path: str) -> set[Any]:
    """Return the primary keys of the rows that a list shows."""
    response: Any = browser.get(path)
    assert response.status_code == 200, path
    return {row.pk for row in response.context_data["cl"].result_list}


def admin_pages(rows: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the address of every page of the jobs' admin.

    `rows` has the primary keys to put into the addresses, by model: a new model needs an entry.
    """
    pages = []
    for pattern in _patterns(get_resolver().url_patterns, ""):
        parts = re.fullmatch(r"admin/jobs/(\w+)/(.*)", pattern)
        if parts is None or re.search(r"/(add|delete)/$|autocomplete", pattern):
            continue
        keys = rows[parts[1]] if "<" in parts[2] else [""]
        pages += ["/" + re.sub(r"<[^>]+>", str(key), pattern) for key in keys]
    return pages


def _patterns(patterns: Sequence[Any], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern).strip("^$")
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path


def bodies(browser: Browser, pages: Sequence[str]) -> dict[str, str]:
    """Return what each page shows by GET, and where that is not allowed, by an empty POST."""
    return {page: _body(browser, page) for page in pages}


def _body(browser: Browser, page: str) -> str:
    response = browser.get(page, follow=True)
    if response.status_code == 405:
        response = browser.post(page, follow=True)
    return response.content.decode()
