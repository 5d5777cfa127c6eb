"""Tokens: their scopes, successors and ends."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from jobs.core.errors import TokenEndedError
from jobs.models import ApiToken, Event
from jobs.services.access.owner import forget_owners, token_digest
from jobs.services.access.tokens import create_token, revoke_token, rotate_token


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
    assert row_of(output_of("create_token", "app")).scopes == ["cancel", "read", "replay", "submit"]


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
    old = create_token(client="app")
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
