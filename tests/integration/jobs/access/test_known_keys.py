"""A process whose keys are not those that the database's secrets were made with finds out at its start."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from inference_site.stack.services import PROJECT
from jobs.core.errors import DatabaseUnusableError
from jobs.core.webhooks.policy import secret_text
from jobs.models import Event, KnownKey, WebhookSecret
from jobs.services.access.known_keys import accept_keys, check_keys
from jobs.services.retention.rotate_keys import rotate_payload_keys
from jobs.services.webhooks.secrets import make_secret, signing_keys

pytestmark = pytest.mark.usefixtures("db")
OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(**changes: Any) -> None:
        monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, **changes))

    use(payload_keys=(OLD,))
    return use


def test_another_secret_key_makes_no_webhook_secret_that_nobody_could_read(use: Any) -> None:
    check_keys()
    use(secret_key="another")
    with pytest.raises(CommandError, match=r"^SECRET_KEY is not the one .* `manage\.py accept_keys`"):
        call_command("webhook_secret", "app")
    assert not WebhookSecret.objects.exists()


@pytest.mark.parametrize(
    ("keys", "fault"), [((), "PAYLOAD_KEYS lacks the key 'old'"), ((("old", b"x" * 32),), "The key 'old' of")]
)
def test_a_payload_key_that_is_missing_or_another_is_named(use: Any, keys: Any, fault: str) -> None:
    check_keys()
    use(payload_keys=keys)
    with pytest.raises(DatabaseUnusableError, match=fault):
        check_keys()


def test_a_key_that_only_reads_may_come_and_go(use: Any) -> None:
    use(payload_keys=(OLD, NEW))
    check_keys()
    use(payload_keys=(OLD,))
    check_keys()


def test_rotating_payload_keys_in_the_documented_order_is_never_refused(use: Any) -> None:
    check_keys()
    for keys in ((OLD, NEW), (NEW, OLD)):
        use(payload_keys=keys)
        check_keys()
    rotate_payload_keys(actor="test", batch=10)
    use(payload_keys=(NEW,))
    check_keys()


def test_an_operator_can_accept_other_keys_which_is_audited(use: Any) -> None:
    check_keys()
    use(secret_key="another", payload_keys=())
    assert len(accept_keys(actor="ada")) == 2
    check_keys()
    assert list(KnownKey.objects.values_list("name", flat=True)) == ["SECRET_KEY"]
    assert Event.objects.get(actor="ada").kind == "rotate_keys"


def test_what_is_stored_is_no_key() -> None:
    check_keys()
    stored = bytes(KnownKey.objects.get(name="SECRET_KEY").digest)
    assert settings.INFERENCE.secret_key.encode() not in stored
    assert len(stored) == 32


CELERY = [sys.executable, "-m", "celery", "-A", "inference_site", "worker", "-Q", "cpu", "--pool", "threads"]


@pytest.mark.parametrize(
    "words",
    [
        [sys.executable, "manage.py", "gpu_worker", "--cpu", "--models", "echo"],
        CELERY,
    ],
    ids=["gpu-worker", "cpu-worker"],
)
def test_a_process_with_other_keys_ends_and_says_which(use: Any, words: list[str]) -> None:
    check_keys()
    key = f"else:{b64encode(b'e' * 32).decode()}"
    ended = subprocess.run(
        words, env=os.environ | {"SECRET_KEY": "another", "PAYLOAD_KEYS": key}, cwd=PROJECT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "SECRET_KEY is not the one" in ended.stderr
    assert "PAYLOAD_KEYS lacks the key 'old'" in ended.stderr


def test_readiness_names_it(use: Any) -> None:
    from django.test import Client

    check_keys()
    use(secret_key="another")
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (
        httpx.codes.SERVICE_UNAVAILABLE,
        "database_unusable",
    )


def test_a_rotated_site_key_reads_what_the_old_one_sealed_and_then_needs_it_no_more(use: Any) -> None:
    old = settings.INFERENCE.secret_key
    secret = make_secret(client="app", actor="ada")
    client = WebhookSecret.objects.get().client_id
    use(secret_key="another", secret_key_fallbacks=(old,))
    check_keys()  # a process with the new key starts, and one with the old key goes on
    assert [secret_text(key) for key in signing_keys(client)] == [secret]
    call_command("rotate_secret_key")
    use(secret_key_fallbacks=())
    check_keys()
    assert [secret_text(key) for key in signing_keys(client)] == [secret]
    use(secret_key=old)
    with pytest.raises(DatabaseUnusableError, match="SECRET_KEY is not the one"):
        check_keys()


def test_a_rotation_without_the_old_site_key_changes_nothing(use: Any) -> None:
    make_secret(client="app", actor="ada")
    before = bytes(WebhookSecret.objects.get().sealed)
    use(secret_key="another")
    with pytest.raises(CommandError, match="nothing was changed: put that value into SECRET_KEY_FALLBACKS"):
        call_command("rotate_secret_key")
    assert bytes(WebhookSecret.objects.get().sealed) == before
