"""Each change of the registry and each upload is an event, whoever makes it and by whatever way."""

from __future__ import annotations

import io
import json
from typing import Any

import psycopg
import pytest
from django.core.management import call_command

from jobs.core.access.database_rights import DatabaseRole
from jobs.models import Event
from jobs.services.access.owner import Owner, owner_of, token_digest
from jobs.services.access.tokens import create_token
from jobs.services.submission.uploads import take_upload
from models_registry.models import Alias, ModelVersion
from models_registry.services import move_alias
from tests.support.database_roles import make_roles
from tests.support.factories import make_version

pytestmark = pytest.mark.usefixtures("db")


def details(kind: str) -> list[dict[str, Any]]:
    return list(Event.objects.filter(kind=kind).order_by("id").values_list("detail", flat=True))


def test_a_registration_and_a_move_are_events_with_their_actor() -> None:
    artifact = "models_registry.loaders.builtin:echo"
    words = ("--loader", "entry_point", "--artifact", artifact, "--no-load", "--alias", "default")
    for _ in range(2):  # the second changes nothing
        call_command("register_model", "mine", "1", *words, stdout=io.StringIO())
    assert [(each["act"], each["model"]) for each in details("registry")] == [
        ("register", "mine"),
        ("alias", "mine"),
    ]
    assert all(event.actor.startswith("command") for event in Event.objects.filter(kind="registry"))
    assert details("registry")[1] | {"act": ""} == {
        "act": "", "model": "mine", "alias": "default", "before": "", "after": "1",
    }  # fmt: skip


def test_a_change_past_the_services_is_an_event_too() -> None:
    version = make_version("echo")
    move_alias(name="echo", alias="default", version="1", actor="olga")
    with psycopg.connect(make_roles()[DatabaseRole.RUNTIME], autocommit=True) as runtime:
        runtime.execute("UPDATE models_registry_modelversion SET artifact = 'evil:load'")
        runtime.execute("DELETE FROM models_registry_alias")
    assert ModelVersion.objects.get(pk=version.pk).artifact == "evil:load"
    assert not Alias.objects.exists()
    update, delete = details("registry")[-2:]
    assert (update["act"], update["table"], update["id"]) == (
        "update",
        "models_registry_modelversion",
        version.pk,
    )
    assert (delete["act"], delete["name"]) == ("delete", "default")
    assert Event.objects.order_by("-id")[0].actor == "database:inference_runtime_a"


def owner() -> Owner:
    found = owner_of(token_digest(create_token(client="app")))
    assert found is not None
    return found


def test_an_upload_is_an_event_without_its_content() -> None:
    stored = take_upload(owner=owner(), source=io.BytesIO(b"anna@example.org"), content_type="text/plain")
    (detail,) = details("upload")
    assert (detail["upload"], detail["size"]) == (str(stored.id), 16)
    assert "anna" not in json.dumps(detail)
