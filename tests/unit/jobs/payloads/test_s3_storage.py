"""The environment sets the bucket's address, and every request is bounded in time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from time import monotonic
from typing import Any

import pytest
from django.core.checks import Error
from django.test import override_settings

from inference_site.backends import django_storages
from inference_site.config import Config
from jobs.checks import NO_STORAGE, check_storage
from jobs.core.errors import PayloadUnavailableError
from jobs.payloads import s3_storage
from jobs.payloads.object_store import put, storage

BASE = {
    "DATABASE_URL": "postgresql://u:p@h/n",
    "BROKER_URL": "amqp://u:p@h//",
    "SECRET_KEY": "none",
    "PAYLOAD_STORAGE": "s3",
    "PAYLOAD_BUCKET": "payloads",
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-use-to-anybody")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=8)) as server:
        yield "http://127.0.0.1:{1}".format(*server.getsockname())


def stored(**env: str) -> Any:
    config = Config.from_env(BASE | env)
    assert config.mistakes == ()
    return override_settings(STORAGES=django_storages(config))


@pytest.mark.parametrize(
    ("addressing", "address"),
    [("path", "https://s3.example/payloads/a/b?"), ("virtual", "https://payloads.s3.example/a/b?")],
)
def test_the_environment_sets_the_bucket_s_address(addressing: str, address: str) -> None:
    with stored(PAYLOAD_ENDPOINT_URL="https://s3.example", PAYLOAD_ADDRESSING=addressing):
        assert storage().url("a/b").startswith(address)


def test_without_an_address_the_bucket_is_amazon_s_in_its_region() -> None:
    with stored(PAYLOAD_REGION="eu-west-1"):
        reached: Any = storage()
        assert reached.connection.meta.client.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


def test_a_silent_server_is_given_up(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_storage, "READ_S", 0.05)
    monkeypatch.setattr(s3_storage, "ATTEMPTS", 2)
    began = monotonic()
    with stored(PAYLOAD_ENDPOINT_URL=silent), pytest.raises(PayloadUnavailableError):
        put(b"anything")
    assert monotonic() - began < 30  # boto's own patience is a minute an attempt


def test_an_unusable_storage_is_an_error_at_the_start() -> None:
    assert check_storage() == []
    broken = django_storages(Config()) | {"payloads": {"BACKEND": "jobs.payloads.nothing.Nothing"}}
    with override_settings(STORAGES=broken):
        (error,) = check_storage()
    assert isinstance(error, Error)
    assert error.id == NO_STORAGE
    assert "jobs.payloads.nothing" in error.msg
