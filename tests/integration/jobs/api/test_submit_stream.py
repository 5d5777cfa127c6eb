"""`POST /jobs/stream`: both directions at once, back-pressure, and every way it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import psutil
import pytest
from django.conf import settings
from django.test import Client

from inference_client import Client as Platform
from jobs.api.app import Server
from jobs.models import ApiToken, Event, Job
from jobs.models import Client as Owner
from jobs.services.access.tokens import create_token, revoke_token
from jobs.services.submission import store
from tests.support.submit_call import SubmitCall, apart, site, submit_call
from tests.support.submit_wire import line_of, submit_wire
from tests.support.wait import wait_until

Serve = Callable[..., httpx.Client]
FEW: dict[str, Any] = {
    "streams_per_client": 2,
    "body_patience_s": 0.5,
    "events_heartbeat_s": 0.2,
    "max_body_bytes": 5_000,
}


@pytest.fixture(autouse=True)
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, **FEW))


def run(scenario: Callable[[Server], Awaitable[None]]) -> None:
    async def within() -> None:
        async with site() as server:
            await scenario(server)

    asyncio.run(within())


def with_stream(token: str, scenario: Callable[[SubmitCall], Awaitable[None]]) -> None:
    async def within(server: Server) -> None:
        async with submit_call(server, token) as call:
            await scenario(call)

    run(within)


def codes(answers: list[dict[str, Any]]) -> list[tuple[int | None, str | None]]:
    return [(each.get("index"), each.get("problem", {}).get("code")) for each in answers]


def test_a_line_is_answered_before_the_next_is_sent_and_its_call_is_audited(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        for index in range(3):
            call.send(line_of(f"job {index}"))
            answer = await call.answer()
            assert (answer["index"], answer["state"]) == (index, "queued")
            assert await apart(Job.objects.filter(pk=answer["id"]).exists)
        call.send(b"", last=True)
        assert await call.answers() == []

    with_stream(token, scenario)
    events = Event.objects.filter(kind="submit")
    assert events.count() == 3
    assert all(event.address == "127.0.0.1" and event.token for event in events)


def test_what_is_wrong_with_a_line_is_its_own_problem_and_the_stream_goes_on(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        bad = b'{"model": "echo"\n' + line_of("x" * 6_000) + b'\r\n{"model": "none", "input": 1}\n'
        call.send(line_of(idempotency_key="k") + b"\n" + bad + line_of(idempotency_key="k")[:-9])
        call.send(line_of(idempotency_key="k")[-9:] + line_of("other", idempotency_key="k").strip())
        call.send(b"", last=True)
        answers = await call.answers()
        assert codes(answers) == [
            (0, None), (1, "malformed"), (2, "body_too_large"), (3, "model_not_found"), (4, None),
            (5, "idempotency_conflict"),
        ]  # fmt: skip
        assert answers[0]["id"] == answers[4]["id"]

    with_stream(token, scenario)
    assert Job.objects.count() == 1


def test_a_line_is_refused_as_soon_as_it_is_too_long_and_the_rest_of_it_is_dropped(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        call.send(b"x" * 6_000)
        assert codes([await call.answer()]) == [(0, "body_too_large")]
        call.send(b"x" * 6_000 + b"\n" + line_of())
        assert codes([await call.answer()]) == [(1, None)]

    with_stream(token, scenario)
    assert Job.objects.count() == 1


def test_lines_gather_while_a_group_is_stored(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        await until_begun(call)
        call.may_send.clear()
        call.send(line_of("alone"))
        await until(lambda: Job.objects.count() == 1)
        for number in range(1_200):
            call.send(line_of(str(number)))
        call.send(b"", last=True)
        call.may_send.set()
        assert codes(await call.answers()) == [(index, None) for index in range(1_201)]

    with_stream(token, scenario)
    sizes = sorted(event.detail.get("jobs", 1) for event in Event.objects.filter(kind="submit"))
    assert (sizes[0], sizes[-1]) == (1, 500)
    assert len(sizes) <= 6


def test_a_client_that_does_not_read_is_not_read_from(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        await until_begun(call)
        call.may_send.clear()
        lines = line_of() * 100
        for _ in range(100):
            call.send(lines)
        await until(lambda: Job.objects.count() == 500)
        await asyncio.sleep(0.3)  # it would read on within this
        unread = call.inbox.qsize()
        assert unread >= 85
        assert await apart(Job.objects.count) == 500
        call.may_send.set()
        await until(lambda: Job.objects.count() == 10_000)

    with_stream(token, scenario)


def test_a_token_that_is_revoked_ends_the_stream_with_a_last_line(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        call.send(line_of())
        assert "id" in await call.answer()
        assert await apart(revoke)
        last = await call.answer()
        assert (last["problem"]["code"], "index" in last) == ("unauthenticated", False)
        assert await call.answer() == {}

    with_stream(token, scenario)


def test_a_revoked_token_ends_the_stream_of_a_client_that_does_not_read(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        await until_begun(call)
        call.may_send.clear()
        call.send(line_of() * 2_000)
        await until(lambda: Job.objects.count() == 500)
        assert await apart(revoke)
        call.leave()
        await asyncio.wait_for(asyncio.shield(call.task), 10)

    with_stream(token, scenario)
    assert Job.objects.count() == 500


def test_an_idle_stream_may_stay_and_half_a_line_may_not(token: str) -> None:
    async def scenario(call: SubmitCall) -> None:
        await until_begun(call)
        await asyncio.sleep(1.0)  # twice the patience with a line
        assert call.empty_lines >= 3
        call.send(line_of())
        assert "id" in await call.answer()
        for byte in line_of()[:30]:
            call.send(bytes([byte]))
            await asyncio.sleep(0.03)
        assert (await call.answer())["problem"]["code"] == "body_too_slow"
        assert await call.answer() == {}

    with_stream(token, scenario)
    assert Job.objects.count() == 1


def test_the_streams_of_a_client_are_bounded_and_need_the_scope(token: str) -> None:
    others = [create_token(client="reader", scopes=["read"]), "nobody's", create_token(client="other")]

    async def scenario(server: Server) -> None:
        async with submit_call(server, token) as one, submit_call(server, token) as two:
            await until_begun(one)
            await until_begun(two)
            assert await status_of(server, token) == 429
            assert [await status_of(server, other) for other in others] == [403, 401, 200]
        assert await status_of(server, token) == 200

    run(scenario)


def test_a_server_that_stops_answers_what_it_read_and_says_so(token: str) -> None:
    async def scenario(server: Server) -> None:
        async with submit_call(server, token) as call:
            call.send(line_of() * 700 + b'{"model": "ec')
            await call.answer()
            server.hub.stopping.heard.set()
            *stored, last = await call.answers()
            assert codes(stored) == [(index, None) for index in range(1, 700)]
            assert (last["problem"]["code"], "index" in last) == ("unavailable", False)

    run(scenario)
    assert Job.objects.count() == 700


def test_what_cannot_be_stored_is_refused_line_by_line_and_may_be_sent_again(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = store._insert
    down = [True]

    def failing(*how: Any) -> Any:
        if down.pop() if down else False:
            from jobs.core.errors import UnavailableError

            raise UnavailableError
        return insert(*how)

    monkeypatch.setattr(store, "_insert", failing)

    async def scenario(call: SubmitCall) -> None:
        lines = line_of(idempotency_key="a") + b"no job\n" + line_of(idempotency_key="b")
        call.send(lines)
        assert codes([await call.answer() for _ in range(3)]) == [
            (0, "unavailable"), (1, "malformed"), (2, "unavailable"),
        ]  # fmt: skip
        call.send(lines)
        assert codes([await call.answer() for _ in range(3)]) == [(3, None), (4, "malformed"), (5, None)]

    with_stream(token, scenario)


def test_quotas_refuse_lines_and_not_the_stream(echo: None) -> None:
    token = create_token(client="limited")
    Owner.objects.filter(name="limited").update(requests_per_s=1, requests_burst=2)

    async def scenario(call: SubmitCall) -> None:
        call.send(line_of() * 4)
        answers = [await call.answer() for _ in range(4)]
        assert codes(answers)[:2] == [(0, None), (1, None)]
        assert codes(answers)[3] == (3, "quota_exceeded")
        assert answers[3]["problem"]["retry_after_s"] >= 1

    with_stream(token, scenario)


def test_what_a_stream_holds_counts_as_held_until_it_is_stored(token: str) -> None:
    async def scenario(server: Server) -> None:
        room = server._door.room
        async with submit_call(server, token) as call:
            call.send(line_of() + line_of()[:20])
            assert "id" in await call.answer()
            assert not room.is_empty
            call.send(line_of()[20:])
            assert "id" in await call.answer()
            assert room.is_empty

    run(scenario)


def test_django_alone_answers_a_whole_body_alike(app: Client) -> None:
    answer = app.post("/api/v1/jobs/stream", line_of() + b"{\n" + line_of(), "application/x-ndjson")
    lines = [line for line in answer.content.splitlines() if line]
    assert (answer.status_code, len(lines)) == (200, 3)
    assert b"malformed" in lines[1]
    assert Job.objects.count() == 2


def test_the_real_server_sends_while_it_receives_and_stops_soon(serve: Serve, token: str) -> None:
    server = serve()
    (process,) = (p for p in psutil.Process().children() if "granian" in " ".join(p.cmdline()))
    url = str(server.base_url)
    with submit_wire(url, token) as wire:
        for index in range(3):
            wire.send(line_of())
            assert (wire.answer()["index"], Job.objects.count()) == (index, index + 1)
        it_reads_no_faster_than_it_is_read(url, token, process)
        the_client_submits_once_each(url, token)
        process.send_signal(signal.SIGTERM)
        assert wire.answer()["problem"]["code"] == "unavailable"
        assert wire.answer() == {}
    process.wait(5)  # sooner than it would be killed


def the_client_submits_once_each(url: str, token: str) -> None:
    before = Job.objects.count()
    with Platform(url, token) as client, client.submitting(window=700) as jobs:
        answers = [jobs.submit("echo", {"text": str(number)}) for number in range(2_000)]
        jobs.flush()
    assert len({answer.result(0).id for answer in answers}) == 2_000
    assert Job.objects.count() - before == 2_000


def it_reads_no_faster_than_it_is_read(url: str, token: str, process: psutil.Process) -> None:
    """Send lines that are answered by longer ones, and read none."""
    (worker,) = process.children()
    before, sent, lines = worker.memory_info().rss, 0, b"{}\n" * 20_000
    with submit_wire(url, token, timeout_s=2) as wire:
        with suppress(TimeoutError):
            while sent < 200_000_000:
                wire.send(lines)
                sent += len(lines)
        assert sent < 60_000_000
        assert worker.memory_info().rss - before < 60_000_000
        wire.socket.settimeout(20)
        assert codes([wire.answer() for _ in range(1_000)])[-1] == (999, "malformed")


def revoke() -> bool:
    return bool(revoke_token(token_id=ApiToken.objects.get().pk))


async def until(holds: Callable[[], bool]) -> None:
    await apart(lambda: wait_until(holds, what="the database"))


async def until_begun(call: SubmitCall) -> None:
    await asyncio.wait_for(call.begun.wait(), 20)


async def status_of(server: Server, token: str) -> int:
    async with submit_call(server, token) as call:
        await until_begun(call)
    return call.status
