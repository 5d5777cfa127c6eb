"""One POST: each allowed address of a host is tried in its time, and a private authority can be trusted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore
import pytest
from django.conf import settings
from django.test import override_settings

from jobs.core.webhooks.url import endpoint
from jobs.services.webhooks.http_post import WebhookRequest, WebhookResponse, post
from tests.support.certificates import Authority
from tests.support.receiver import Receiver, receiving

HOST = "hooks.internal"
NOBODY = "127.0.0.9"  # loopback, where no server listens


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    resolve = socket.getaddrinfo

    def answer(host: str, port: int, *options: int, **named: int) -> list[Any]:
        if host != HOST:
            return resolve(host, port, *options, **named)
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr("socket.getaddrinfo", answer)


def posted(request: WebhookRequest, *, limit_s: float = 15.0) -> WebhookResponse:
    return asyncio.run(post(request, limit_s=limit_s))


def sent_to(receiver: Receiver, *, limit_s: float = 15.0) -> WebhookResponse:
    parts = urlsplit(receiver.url)
    url = f"{parts.scheme}://{HOST}:{parts.port}/hook"
    return posted(WebhookRequest(url, endpoint(url, internal_hosts=(HOST,)), b"{}", {}), limit_s=limit_s)


@pytest.mark.parametrize("order", [("::1", NOBODY, "127.0.0.1"), ("127.0.0.1", "::1")])
def test_the_address_that_answers_is_found(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]
) -> None:
    resolve_to(monkeypatch, *order)
    assert sent_to(receiver).status == 200
    assert len(receiver.requests) == 1
    assert receiver.requests[0][0]["Host"].startswith(HOST)


def test_an_address_that_never_answers_leaves_time_for_the_next(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(receiver.url).port
    resolve_to(monkeypatch, NOBODY, "127.0.0.1")
    with ExitStack() as held:
        full = held.enter_context(socket.socket())
        full.bind((NOBODY, port))
        full.listen(0)
        for _ in range(4):  # the queue of connections is full then, and further ones are not answered
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((NOBODY, port))
        answer = sent_to(receiver, limit_s=2.0)
    assert answer.status == 200
    assert 0.9 < answer.took_s < 2.0


def test_every_address_that_failed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "::1", NOBODY)
    answer = sent_to(Receiver(url="http://127.0.0.1:1/"))
    assert answer.status is None
    assert "::1: ConnectError" in answer.text
    assert f"{NOBODY}: ConnectError" in answer.text


def test_what_was_sent_is_not_sent_to_a_second_address(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.hangs = True
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.1")
    with receiving() as other:
        assert sent_to(receiver, limit_s=0.5).status is None
    assert (len(receiver.requests), len(other.requests)) == (1, 0)


def test_only_public_addresses_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    async def refuse(_backend: object, host: str, *_: object) -> None:
        tried.append(host)
        raise httpcore.ConnectError("nobody")

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", refuse)
    resolve_to(monkeypatch, "10.0.0.1", "2606:4700::1111", "::1", "1.1.1.1", "fe80::1%2")
    url = f"https://{HOST}/"
    posted(WebhookRequest(url, endpoint(url, internal_hosts=()), b"{}", {}))
    assert tried == ["2606:4700::1111", "1.1.1.1"]


def test_a_receiver_with_a_private_authority_is_reached_once_it_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("receiver", HOST)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.cert, files.key)
    resolve_to(monkeypatch, "127.0.0.1")
    with receiving(server) as receiver:
        assert "CERTIFICATE_VERIFY_FAILED" in sent_to(receiver).text
        trusting = replace(settings.INFERENCE, webhook_ca_file=str(authority.ca_file))
        with override_settings(INFERENCE=trusting):
            assert sent_to(receiver).status == 200
