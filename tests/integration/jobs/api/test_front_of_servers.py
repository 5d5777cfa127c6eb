"""What a real server does before any view: https, the login's gate, and the audit of refused calls."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
from django.contrib.auth.models import User

from jobs.core.access.guess_rate import GUESSES_AT_ONCE
from jobs.models import Event
from tests.support.wait import wait_until

Serve = Callable[..., httpx.Client]
NO_JOB = "/api/v1/jobs/00000000-0000-0000-0000-000000000000"
LOGIN = "/admin/login/"
PASSWORD = "correct horse battery"
GOOD = {"model": "echo", "input": {"text": "hello"}}


def log_in(server: httpx.Client, password: str) -> httpx.Response:
    page = server.get(LOGIN)
    (secret,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    form = {"username": "olga", "password": password, "csrfmiddlewaretoken": secret, "next": "/admin/"}
    return server.post(LOGIN, data=form, headers={"Referer": str(page.url)})


def test_where_the_site_is_https_the_api_redirects_http_and_says_never_to_use_it(serve: Serve) -> None:
    site = {"API_URL": "https://inference.example", "STREAM_URL": "https://inference.example"}
    server = serve(**site, TRUSTED_PROXY_HOPS="1", ALLOWED_HOSTS="inference.example")
    server.event_hooks = {}  # the redirect is of no call
    host, https = {"Host": "inference.example"}, {"X-Forwarded-Proto": "https"}
    for path in (
        "/api/v1/jobs?a=1",
        "/api/v1/docs",
        f"{NO_JOB}/events",
    ):
        answer = server.post(path, json=GOOD, headers=host)
        assert (answer.status_code, answer.headers["Location"]) == (308, f"https://inference.example{path}")
        assert "Strict-Transport-Security" not in answer.headers, "it is worth nothing by http"
    accepted = server.post("/api/v1/jobs", json=GOOD, headers=host | https)
    assert accepted.status_code == 202
    following = server.get(f"{NO_JOB}/events", headers=host | https)
    login = server.get(LOGIN, headers=host | https)
    for answer in (accepted, following, login):
        assert answer.headers.get_list("Strict-Transport-Security") == [
            "max-age=31536000; includeSubDomains; preload"
        ]
    assert server.get("/readyz").status_code == 200


def test_guesses_are_refused_and_audited_and_leave_the_api_alone(serve: Serve) -> None:
    User.objects.create_superuser("olga", password=PASSWORD)
    server = serve()
    assert "Log out" not in server.get("/admin/", follow_redirects=True).text
    assert log_in(server, PASSWORD).status_code == 302
    assert "Log out" in server.get("/admin/").text
    server.cookies.clear()
    statuses = [log_in(server, "wrong").status_code for _ in range(GUESSES_AT_ONCE + 2)]
    assert statuses[:5] == [200] * 4 + [429]
    assert set(statuses[5:]) == {429}
    assert server.post("/api/v1/jobs", json=GOOD).status_code == 202
    for number in range(30):
        guess = {"Authorization": f"Bearer inf_guess{number}"}
        wait = {"wait": "5"} if number % 2 else {}  # on the event loop, and on threads
        assert server.get(NO_JOB, params=wait, headers=guess).status_code == 401
    wait_until(lambda: refused("token") and refused("locked_out"), what="rows of the refused calls")
    server.close()
    assert Event.objects.filter(kind="login_refused").count() == 5
    assert all(event.address == "127.0.0.1" for event in Event.objects.filter(kind="access_refused"))


def refused(reason: str) -> int:
    rows = Event.objects.filter(kind="access_refused", detail__reason=reason)
    return sum(row.detail["count"] for row in rows)
