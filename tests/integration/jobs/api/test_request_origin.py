"""The address of a call, as both servers determine it and the audit records it."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from jobs.core.states import State
from jobs.models import Event
from jobs.services.access.tokens import create_token
from tests.support.factories import make_client, make_job

GOOD = {"model": "echo", "input": {"text": "hello"}}
FORGED = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9")]
Serve = Callable[..., httpx.Client]


def address_of(kind: str) -> str | None:
    address: str | None = Event.objects.get(kind=kind).address
    return address


def test_without_a_trusted_proxy_the_header_is_ignored(serve: Serve) -> None:
    server = serve()
    assert server.post("/api/v1/jobs", json=GOOD, headers=FORGED).status_code == 202
    assert address_of("submit") == "127.0.0.1"


def test_one_trusted_proxy_s_entry_counts_and_the_client_s_own_do_not(serve: Serve) -> None:
    server = serve(TRUSTED_PROXY_HOPS="1")
    assert server.post("/api/v1/jobs", json=GOOD, headers=FORGED).status_code == 202
    assert address_of("submit") == "203.0.113.9"


def test_an_admin_s_view_of_another_client_s_job_records_the_address(serve: Serve) -> None:
    server = serve(TRUSTED_PROXY_HOPS="1")
    job = make_job(state=State.SUCCEEDED, client=make_client("somebody"))
    admin = ("Authorization", f"Bearer {create_token(client='operators', scopes=['admin'])}")
    assert server.get(f"/api/v1/jobs/{job.pk}", headers=[admin, *FORGED]).status_code == 200
    assert address_of("view_payload") == "203.0.113.9"
