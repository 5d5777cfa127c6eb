"""Guessed passwords at the admin: lockouts, the second factor, the ends of sessions, and the audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client as Browser
from django.test import override_settings
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from inference_site import login_lockout, session_limits
from jobs.models import Event
from jobs.services.access import refusals
from jobs.services.access.refusals import write_refusals
from tests.support.admin import unaudited_logins

LOGIN, INDEX = "/admin/login/", "/admin/"
PASSWORD = "correct horse battery"
HERE, THERE = "203.0.113.9", "203.0.113.10"


@pytest.fixture
def olga(db: str) -> Iterator[User]:
    refusals._counts.__init__()  # type: ignore[misc]  # of tests before this one
    quick = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=quick):
        yield User.objects.create_superuser("olga", password=PASSWORD)


@pytest.fixture
def two_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, admin_two_factor=True))


def browser(address: str = HERE) -> Browser:
    return Browser(SERVER_NAME="localhost", REMOTE_ADDR=address)


def log_in(
    visitor: Browser, name: str = "olga", password: str = PASSWORD, code: str = "", **meta: Any
) -> Any:
    form = {"username": name, "password": password, "code": code, "next": INDEX}
    return visitor.post(LOGIN, form, **meta)


def is_in(visitor: Browser) -> bool:
    return visitor.get(INDEX).status_code == 200


def audited(*kinds: str) -> list[tuple[str, str, str | None, str]]:
    rows = Event.objects.filter(kind__in=kinds).order_by("id")
    return [(row.kind, row.actor, row.address, str(row.detail.get("name", ""))) for row in rows]


def code_of(device: TOTPDevice) -> str:
    return f"{TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift).token():06d}"


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x()"]
)
def test_a_login_leads_to_no_other_site(olga: User, to: str) -> None:
    form = {"username": "olga", "password": PASSWORD, "next": to}
    answer = browser().post(LOGIN, form)
    assert (answer.status_code, answer.headers["Location"]) == (302, INDEX)


@pytest.mark.parametrize("name", ["olga", "nobody"])
def test_five_wrong_passwords_lock_a_name_out_at_its_address_alone(olga: User, name: str) -> None:
    visitor = browser()
    answers = [log_in(visitor, name, f"wrong {number}").status_code for number in range(5)]
    assert answers == [200] * 4 + [429]
    assert log_in(visitor, name).status_code == 429
    assert not is_in(visitor)
    elsewhere = browser(THERE)
    assert (log_in(elsewhere, name).status_code, is_in(elsewhere)) == (
        (302, True) if name == "olga" else (200, False)
    )
    assert audited("login_locked") == [("login_locked", "anonymous", HERE, name)]
    assert audited("login_refused")[:5] == [("login_refused", "anonymous", HERE, name)] * 5


def test_an_address_that_tries_many_names_is_locked_out_before_a_password_is_hashed(
    olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_lockout, "MOST_OF_AN_ADDRESS", 6)
    for number in range(6):
        log_in(browser(), f"name {number}", "wrong")
    with mock.patch("django.contrib.auth.backends.ModelBackend.authenticate", return_value=None) as hashing:
        assert log_in(browser()).status_code == 429
        assert log_in(browser("2001:db8::1")).status_code == 200
    assert hashing.call_count == 1


def test_an_ipv6_host_has_one_limit_for_all_its_addresses(olga: User) -> None:
    for number in range(5):
        log_in(browser(f"2001:db8:1:2::{number}"), "olga", "wrong")
    assert log_in(browser("2001:db8:1:2::abcd")).status_code == 429
    assert log_in(browser("2001:db8:1:3::1")).status_code == 302


def test_a_client_cannot_choose_the_address_that_it_is_counted_under(olga: User) -> None:
    for number in range(5):
        log_in(browser(), "olga", "wrong", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
    assert log_in(browser(), HTTP_X_FORWARDED_FOR="198.51.100.99").status_code == 429


def test_tries_while_locked_out_are_one_row_of_the_audit_with_their_count(olga: User) -> None:
    visitor = browser()
    for _ in range(25):
        log_in(visitor, "olga", "wrong")
    assert len(audited("login_refused")) == 5
    assert write_refusals(whole=True) == 1
    event = Event.objects.get(kind="access_refused")
    assert (event.address, event.detail) == (HERE, {"reason": "locked_out", "count": 20})


def test_a_login_and_a_logout_are_audited_with_name_and_address(olga: User) -> None:
    visitor = browser()
    assert log_in(visitor).status_code == 302
    visitor.post("/admin/logout/")
    assert audited("login", "logout") == [("login", "olga", HERE, ""), ("logout", "olga", HERE, "")]


def test_a_wrong_name_costs_a_hash_as_a_wrong_password_does(olga: User) -> None:
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher.encode"
    counts, texts = [], []
    for name in ("olga", "nobody"):
        with mock.patch(hasher, return_value="md5$x$y") as encode:
            texts.append(log_in(browser(), name, "wrong").content.decode().replace(name, "NAME"))
        counts.append(encode.call_count)
    assert counts == [1, 1]
    assert "Please enter the correct username" in texts[0]


def test_without_a_second_factor_no_stolen_password_opens_the_admin(olga: User, two_factor: None) -> None:
    visitor = browser()
    assert log_in(visitor).status_code == 200
    assert not is_in(visitor)


def test_a_code_is_needed_once_there_is_one_and_works_once(olga: User) -> None:
    before = browser()
    log_in(before)
    out = StringIO()
    call_command("two_factor", "olga", stdout=out)
    assert "otpauth://totp/" in out.getvalue()
    recovery = out.getvalue().split()[-1]
    assert not is_in(before), "its session is of a password alone"
    code = code_of(TOTPDevice.objects.get())
    right, wrong, again, lost = (browser(f"198.51.100.{number}") for number in range(4))
    assert (log_in(right, code=code).status_code, is_in(right)) == (302, True)
    refused = log_in(again, code=code)
    missing = log_in(wrong)
    assert (is_in(again), is_in(wrong)) == (False, False)
    assert "Please enter the correct username" in refused.content.decode()
    assert "Please enter the correct username" in missing.content.decode()
    assert (log_in(lost, code=recovery).status_code, is_in(lost)) == (302, True)
    assert Event.objects.get(kind="two_factor").detail == {"user": "olga", "act": "enrol"}
    assert code not in str(list(Event.objects.values_list("detail", flat=True)))
    call_command("two_factor", "olga", "--remove", stdout=out)
    assert is_in(before)


def test_guessed_codes_count_as_guessed_passwords_and_hold_the_device_back(olga: User) -> None:
    call_command("two_factor", "olga", stdout=StringIO())
    visitor = browser()
    answers = [log_in(visitor, code=f"{number:06d}").status_code for number in range(5)]
    assert answers[-1] == 429
    device = TOTPDevice.objects.get()
    assert device.throttling_failure_count >= 1
    elsewhere = browser(THERE)
    log_in(elsewhere, code=code_of(device))
    assert not is_in(elsewhere)


def test_a_changed_password_ends_the_other_sessions(olga: User) -> None:
    here, there = browser(), browser(THERE)
    log_in(here)
    log_in(there)
    new = "another horse battery"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/admin/password_change/", form).status_code == 302
    assert (is_in(here), is_in(there)) == (True, False)


@pytest.mark.parametrize(("pauses", "hours"), [(1, 1.1), (20, 0.65)])
def test_a_session_ends_when_it_is_idle_and_after_twelve_hours(
    olga: User, monkeypatch: pytest.MonkeyPatch, pauses: int, hours: float
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(session_limits, "time", lambda: now)
    visitor = browser()
    log_in(visitor)
    assert is_in(visitor)
    seen = []
    for _ in range(pauses):
        now += hours * 3_600
        seen.append(is_in(visitor))
    assert seen == [number * hours < 12 and hours < 1 for number in range(1, pauses + 1)]


def test_refused_tokens_are_one_row_for_an_address(olga: User) -> None:
    for number in range(50):
        token = {"Authorization": f"Bearer inf_guess{number}"}
        assert browser().get("/api/v1/jobs", headers=token).status_code == 401
    assert browser().get("/api/v1/jobs").status_code == 401  # it presents no token, and is no guess
    assert write_refusals() == 1
    event = Event.objects.get(kind="access_refused")
    assert (event.address, event.detail) == (HERE, {"reason": "token", "count": 50})
    browser().get("/api/v1/jobs", headers={"Authorization": "Bearer inf_guess"})
    assert write_refusals() == 0, "the next row of this address is due in a minute"


def test_a_member_of_staff_cannot_make_superusers_or_change_anybodys_password(olga: User) -> None:
    from django.contrib.auth.models import Permission

    clerk = User.objects.create_user("carl", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    visitor = browser()
    with unaudited_logins():
        visitor.force_login(clerk)
    form = {"username": "carl", "is_superuser": "on", "is_staff": "on", "is_active": "on"}
    for path in (f"{clerk.pk}/change/", f"{olga.pk}/change/", "add/"):
        assert visitor.post(f"/admin/auth/user/{path}", form).status_code == 403
    new = {"password1": "another horse battery", "password2": "another horse battery"}
    assert visitor.post(f"/admin/auth/user/{olga.pk}/password/", new).status_code == 403
    assert visitor.get("/admin/auth/group/").status_code == 403
    assert not User.objects.get(username="carl").is_superuser
    assert User.objects.get(username="olga").check_password(PASSWORD)


def test_a_superuser_changes_users_and_each_change_is_audited(olga: User) -> None:
    clerk = User.objects.create_user("carl", is_staff=True)
    visitor = browser()
    log_in(visitor)
    form = {"username": "carl", "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "10:00"}
    assert visitor.post(f"/admin/auth/user/{clerk.pk}/change/", form).status_code == 302
    new = {"password1": "another horse battery", "password2": "another horse battery"}
    assert visitor.post(f"/admin/auth/user/{clerk.pk}/password/", new).status_code == 302
    events = Event.objects.filter(kind="user_change")
    assert [(event.actor, event.detail["name"], event.detail["act"]) for event in events] == [
        ("olga", "carl", "change")
    ] * 2
    assert "another horse" not in str([event.detail for event in events])
    assert visitor.get("/admin/otp_totp/totpdevice/").status_code == 404
