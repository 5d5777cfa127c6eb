"""Tokens: their scopes, successors and ends."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from jobs.core.errors import TokenEndedError
from jobs.models import ApiToken, Event
from jobs.models import Client as Tenant
from jobs.services.access.owner import forget_owners, token_digest
from jobs.services.access.tokens import create_token, end_token, revoke_token, rotate_token, warn_of_ends
from models_registry.selectors import resolve


def works(token: str) -> bool:
    forget_owners()
    app = Client(headers={"Authorization": f"Bearer {token}"})
    return app.get("/api/v1/models").status_code == 200


def row_of(token: str) -> ApiToken:
    return ApiToken.objects.get(digest=token_digest(token))


def output_of(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().strip()


def test_a_token_without_options_has_all_scopes_that_a_client_needs(echo: None) -> None:
    assert row_of(output_of("create_token", "app")).scopes == ["cancel", "erase", "read", "replay", "submit"]


def test_the_command_creates_a_token_of_the_named_scopes_and_audits_it(echo: None) -> None:
    token = output_of("create_token", "app", "--scope", "read", "--scope", "cancel", "--expires-in-days", "3")
    row = row_of(token)
    assert row.scopes == ["cancel", "read"]
    assert timedelta(days=2) < row.expires_at - timezone.now() < timedelta(days=4)  # type: ignore[operator]  # it is set: a None fails here
    event = Event.objects.get(kind="token_create")
    assert event.actor.startswith("command")
    assert token not in str(event.detail)


@pytest.mark.parametrize("scopes", [[], ["read", "root"]])
def test_a_token_without_a_scope_or_with_an_unknown_one_is_refused(echo: None, scopes: list[str]) -> None:
    with pytest.raises(IntegrityError, match="token_scopes_known"):
        create_token(client="app", scopes=scopes)


def test_a_rotated_token_works_for_its_grace_and_its_successor_until_its_expiry(
    echo: None,
) -> None:
    old = create_token(client="app", label="nightly", scopes=["read"], expires_in_days=90)
    new = output_of("rotate_token", str(row_of(old).pk), "--grace-hours", "2")
    before, after = row_of(old), row_of(new)
    assert works(old)
    assert works(new)
    assert (after.client, after.label, after.scopes) == (before.client, "nightly", ["read"])
    assert after.replaces == before
    assert timedelta(hours=1) < before.expires_at - timezone.now() < timedelta(hours=3)  # type: ignore[operator]  # it is set: a None fails here
    assert timedelta(days=89) < after.expires_at - timezone.now() < timedelta(days=91)  # type: ignore[operator]  # it is set: a None fails here
    event = Event.objects.get(kind="token_rotate")
    assert (event.detail["old"], event.detail["id"]) == (before.pk, after.pk)
    assert new not in str(event.detail)


def test_without_grace_the_old_token_ends_at_once_and_one_that_never_ends_has_such_a_successor(
    echo: None,
) -> None:
    old = create_token(client="app", expires_in_days=None)
    new = rotate_token(token_id=row_of(old).pk, actor="olga", grace_hours=0)
    assert not works(old)
    assert works(new)
    assert row_of(new).expires_at is None


def test_grace_does_not_outlive_the_token_s_own_end(echo: None) -> None:
    old = create_token(client="app", expires_in_days=1)
    ends_at = row_of(old).expires_at
    rotate_token(token_id=row_of(old).pk, actor="olga", grace_hours=1_000)
    assert row_of(old).expires_at == ends_at


def test_a_token_is_rotated_once_and_not_after_its_end(echo: None) -> None:
    once, revoked, expired = (create_token(client="app") for _ in range(3))
    rotate_token(token_id=row_of(once).pk, actor="olga")
    revoke_token(token_id=row_of(revoked).pk, actor="olga")
    ApiToken.objects.filter(pk=row_of(expired).pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for token in (once, revoked, expired):
        with pytest.raises(TokenEndedError):
            rotate_token(token_id=row_of(token).pk, actor="olga")
    with pytest.raises(CommandError, match="expired or was revoked"):
        output_of("rotate_token", str(row_of(revoked).pk))
    assert ApiToken.objects.count() == 4


def test_a_revoked_token_ends_at_once_and_the_revocation_is_audited_once(echo: None) -> None:
    token = create_token(client="app")
    row = row_of(token)
    assert "is revoked" in output_of("revoke_token", row.prefix, "--client", "app")
    assert "already" in output_of("revoke_token", str(row.pk))
    assert not works(token)
    assert Event.objects.get(kind="token_revoke").detail["prefix"] == row.prefix


def test_who_rotated_a_stolen_token_has_nothing_once_it_is_revoked(echo: None) -> None:
    stolen, others = create_token(client="app"), create_token(client="app")
    first = rotate_token(token_id=row_of(stolen).pk, actor="client:app")
    second = rotate_token(token_id=row_of(first).pk, actor="client:app")
    assert "3 tokens are revoked" in output_of("revoke_token", str(row_of(stolen).pk))
    assert [works(token) for token in (stolen, first, second, others)] == [False, False, False, True]
    assert Event.objects.filter(kind="token_revoke").count() == 3
    assert "already" in output_of("revoke_token", str(row_of(stolen).pk))


def test_successors_are_revoked_where_their_token_was_revoked_before_and_left_on_demand(echo: None) -> None:
    old = create_token(client="app")
    new = rotate_token(token_id=row_of(old).pk, actor="olga")
    assert "is revoked" in output_of("revoke_token", str(row_of(old).pk), "--alone")
    assert works(new)
    assert "is revoked" in output_of("revoke_token", str(row_of(old).pk))
    assert not works(new)


def test_a_token_that_an_operator_lets_end_is_not_rotated_into_one_that_does_not(echo: None) -> None:
    token = create_token(client="app")
    assert end_token(token_id=row_of(token).pk, actor="olga")
    app = Client(headers={"Authorization": f"Bearer {token}"})
    answer = app.post("/api/v1/token/rotate")
    assert (answer.status_code, answer.json()["code"]) == (409, "token_ended")
    assert works(token)
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("words", [("inf_none",), ("999999",), ("inf_", "--client", "app")])
def test_a_command_that_names_no_token_raises_a_clear_error(echo: None, words: tuple[str, ...]) -> None:
    create_token(client="app")
    with pytest.raises(CommandError, match="no token matches"):
        output_of("revoke_token", *words)


def test_a_prefix_that_two_tokens_share_names_neither(echo: None) -> None:
    create_token(client="app")
    create_token(client="app")
    ApiToken.objects.update(prefix="inf_same")
    with pytest.raises(CommandError, match="several tokens match"):
        output_of("revoke_token", "inf_same")
    assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()


def test_only_an_admin_lists_the_jobs_of_a_client_by_name(echo: None) -> None:
    from tests.support.factories import make_client, make_job

    job = make_job(client=make_client("app"))
    admin, app = (
        Client(headers={"Authorization": f"Bearer {create_token(client=name, scopes=[scope])}"})
        for name, scope in (("operators", "admin"), ("other", "read"))
    )
    listed = admin.get("/api/v1/jobs?client=app").json()["jobs"]
    assert [row["id"] for row in listed] == [str(job.id)]
    assert admin.get("/api/v1/jobs").json()["jobs"] == []
    assert admin.get("/api/v1/jobs?client=nobody").status_code == 404
    for name in ("app", "nobody", "other"):
        refused = app.get(f"/api/v1/jobs?client={name}")
        assert (refused.status_code, refused.json()["scope"]) == (403, "admin")


def lifetime(token: str) -> timedelta:
    expires_at = row_of(token).expires_at
    assert expires_at is not None
    return expires_at - timezone.now()


def test_a_token_ends_after_90_days_unless_it_is_asked_not_to(echo: None) -> None:
    assert timedelta(days=89) < lifetime(output_of("create_token", "app")) < timedelta(days=91)
    assert row_of(output_of("create_token", "app", "--never-expires")).expires_at is None


def test_an_app_rotates_its_own_token_and_alone_sees_the_successor(echo: None) -> None:
    old = create_token(client="app", scopes=["submit"], expires_in_days=30)
    app = Client(headers={"Authorization": f"Bearer {old}"})
    answer = app.post("/api/v1/token/rotate?grace_hours=2")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    new = answer.json()["token"]
    assert answer.json()["scopes"] == ["submit"]
    assert (works(old), works(new)) == (True, True)
    assert lifetime(old) < timedelta(hours=2)
    assert timedelta(days=29) < lifetime(new) < timedelta(days=31)
    event = Event.objects.get(kind="token_rotate")
    assert event.actor == "client:app"
    assert new not in str(event.detail)
    again = app.post("/api/v1/token/rotate")
    assert (again.status_code, again.json()["code"]) == (409, "token_ended")


@pytest.mark.parametrize("grace", ["-1", "25", "nan"])
def test_the_old_token_cannot_be_kept_for_long(echo: None, grace: str) -> None:
    app = Client(headers={"Authorization": f"Bearer {create_token(client='app')}"})
    assert app.post(f"/api/v1/token/rotate?grace_hours={grace}").status_code == 400
    assert ApiToken.objects.count() == 1


def test_no_grace_ends_the_old_token_at_once(echo: None) -> None:
    old = create_token(client="app")
    app = Client(headers={"Authorization": f"Bearer {old}"})
    new = app.post("/api/v1/token/rotate?grace_hours=0").json()["token"]
    assert (works(old), works(new)) == (False, True)


def test_answers_and_the_log_warn_of_a_token_s_end(echo: None, caplog: pytest.LogCaptureFixture) -> None:
    soon, later = (create_token(client="app", expires_in_days=days) for days in (13, 15))
    ends = []
    for token in (soon, later):
        answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/jobs")
        ends.append(answer.headers.get("Token-Expires"))
    expires_at = row_of(soon).expires_at
    assert expires_at is not None
    assert ends == [f"{expires_at:%Y-%m-%dT%H:%M:%SZ}", None]
    assert warn_of_ends() == 1
    assert row_of(soon).prefix in caplog.text
    rotate_token(token_id=row_of(soon).pk, actor="olga")
    assert warn_of_ends() == 1, "only the successor, which lives as long"


def test_a_client_that_the_command_creates_has_quotas(echo: None) -> None:
    assert row_of(output_of("create_token", "app")).client.requests_per_s == 1_000
    assert row_of(output_of("create_token", "own", "--no-quotas")).client.requests_per_s is None


@pytest.fixture
def limited(echo: None) -> Client:
    from tests.support.factories import make_version

    make_version("other")
    token = create_token(client="app")
    Tenant.objects.update(models=["echo"])
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("ref", ["other", "other:1", "other@default", "unheard-of"])
def test_a_client_may_use_its_models_alone(limited: Client, ref: str) -> None:
    good = {"model": "echo", "input": {"text": "a"}}
    bad = {"model": ref, "input": {"text": "a"}}
    assert limited.post("/api/v1/jobs", good, "application/json").status_code == 202
    refused = limited.post("/api/v1/jobs", bad, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
    bulk = limited.post("/api/v1/jobs/bulk", [bad, good], "application/json").json()
    assert (bulk["accepted"], bulk["jobs"][0]["problem"]["code"]) == (1, "model_not_allowed")


def test_a_client_sees_its_models_alone(limited: Client) -> None:
    assert [model["name"] for model in limited.get("/api/v1/models").json()] == ["echo"]
    for path in ("/api/v1/models/other", "/api/v1/models/other/versions", "/api/v1/models/none"):
        refused = limited.get(path)
        assert (refused.status_code, refused.json()["code"]) == (404, "model_not_found")


def test_a_job_of_a_model_that_a_client_may_no_longer_use_is_not_replayed(limited: Client) -> None:
    from jobs.core.states import State
    from tests.support.factories import make_job

    first, dead = (make_job(state=State.DEAD, client=Tenant.objects.get(name="app")) for _ in range(2))
    Tenant.objects.update(models=[first.version.model.name])
    assert limited.post(f"/api/v1/jobs/{first.id}/replay").status_code == 200
    Tenant.objects.update(models=["other"])
    forget_owners()
    refused = limited.post(f"/api/v1/jobs/{dead.id}/replay")
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
    assert limited.get(f"/api/v1/jobs/{dead.id}").status_code == 200, "it is still the client's own"


def test_the_fallback_of_a_model_is_no_way_to_another(limited: Client) -> None:
    good = {"model": "echo", "input": {"text": "a"}}
    with mock.patch("jobs.services.submission.routing.answering", return_value=resolve("other")):
        refused = limited.post("/api/v1/jobs", good, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
