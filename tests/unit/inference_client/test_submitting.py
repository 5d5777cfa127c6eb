"""A client's stream of submits: answers, the window, what is sent again, and every way it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from inference_client import AsyncClient, Client, JobsRefusedError, Patience, PlatformRefusedError
from tests.support.wait import wait_until
from tests.unit.inference_client.stream_platform import REFUSED, Handle, Lines, store_all, stream_platform

AT_ONCE = Patience(tries=3, base_s=0.0)
INVALID = {"status": 422, "code": "invalid_input", "detail": "no"}


def connected(url: str) -> Client:
    return Client(url, "secret", patience=AT_ONCE)


def test_each_job_has_a_future_and_the_end_waits_for_all() -> None:
    with stream_platform(store_all) as url, connected(url) as client:
        with client.submitting(window=10) as jobs:
            answers = [jobs.submit("echo", number, priority=7) for number in range(100)]
        assert [answer.result(0).index for answer in answers] == list(range(100))
        assert len({answer.result(0).id for answer in answers}) == 100


def test_a_first_answer_comes_before_the_next_job_is_submitted() -> None:
    with stream_platform(store_all) as url, connected(url) as client, client.submitting() as jobs:
        assert jobs.submit("echo", 1, idempotency_key="mine").result(20).state == "queued"
        jobs.flush()
        assert jobs.submit("echo", 2).result(20).index == 1


def test_no_more_than_the_window_are_unanswered() -> None:
    may_answer, seen = Event(), list[Any]()

    async def slow(lines: Lines) -> None:
        await lines.head()
        while job := await lines.line():
            seen.append(job)
            await asyncio.to_thread(may_answer.wait, 20)
            lines.answer(job)
        lines.end()

    submitted = list[int]()

    def produce(jobs: Any) -> None:
        for number in range(10):
            jobs.submit("echo", number)
            submitted.append(number)

    with stream_platform(slow) as url, connected(url) as client, client.submitting(window=4) as jobs:
        thread = Thread(target=produce, args=(jobs,))
        thread.start()
        wait_until(lambda: seen, what="the first line")
        thread.join(0.2)
        assert len(submitted) == 4
        may_answer.set()
        thread.join(20)
        assert len(submitted) == 10


def test_a_job_that_is_no_json_takes_no_place_in_the_window() -> None:
    with stream_platform(store_all) as url:
        with connected(url) as client, client.submitting(window=1) as jobs:
            with pytest.raises(TypeError):
                jobs.submit("echo", object())
            assert not jobs._unanswered
            assert jobs.submit("echo", 1).result(20).state == "queued"
        asyncio.run(_submit_no_json(url))


async def _submit_no_json(url: str) -> None:
    async with AsyncClient(url, "secret") as client, client.submitting(window=1) as jobs:
        with pytest.raises(TypeError):
            await jobs.submit("echo", object())
        async with asyncio.timeout(20):
            assert (await (await jobs.submit("echo", 1))).state == "queued"


def test_what_a_lost_connection_left_unanswered_is_sent_again_with_its_key() -> None:
    keys, inputs = Counter[str](), list[int]()

    async def lost(lines: Lines) -> None:
        await lines.head()
        jobs = [await lines.line() for _ in range(5)]
        keys.update(job["idempotency_key"] for job in jobs)
        for job in jobs[:2]:
            lines.answer(job)
        await lines.writer.drain()
        await asyncio.sleep(0.1)  # so that the client reads the answers before the connection is reset
        lines.cut()

    async def again(lines: Lines) -> None:
        await lines.head()
        while job := await lines.line():
            keys[job["idempotency_key"]] += 1
            inputs.append(job["input"])
            lines.answer(job)
        lines.end()

    with stream_platform(lost, again) as url, connected(url) as client:
        with client.submitting() as jobs:
            answers = [jobs.submit("echo", number) for number in range(8)]
        assert len({answer.result(0).id for answer in answers}) == 8
    assert sorted(keys.values()) == [1, 1, 1, 1, 1, 2, 2, 2]
    assert inputs == [2, 3, 4, 5, 6, 7]


def test_a_stopping_server_s_last_line_opens_another_stream() -> None:
    async def stopping(lines: Lines) -> None:
        await lines.head()
        lines.answer(await lines.line())
        lines.say({"problem": {"status": 503, "code": "unavailable"}})
        lines.end()

    with stream_platform(stopping, store_all) as url, connected(url) as client:
        with client.submitting() as jobs:
            answers = [jobs.submit("echo", number) for number in range(3)]
        assert all(answer.result(0).id for answer in answers)


def test_a_job_that_is_refused_for_a_time_is_sent_again() -> None:
    async def busy(lines: Lines) -> None:
        await lines.head()
        first = await lines.line()
        lines.answer(first, REFUSED)
        while job := await lines.line():
            lines.answer(job)
        lines.end()

    with stream_platform(busy) as url, connected(url) as client, client.submitting() as jobs:
        answers = [jobs.submit("echo", number) for number in range(3)]
        jobs.flush()
        assert len({answer.result(0).id for answer in answers}) == 3


def test_a_refused_job_raises_where_it_is_looked_at_and_once_at_the_flush() -> None:
    async def refusing(lines: Lines) -> None:
        await lines.head()
        while job := await lines.line():
            lines.answer(job, INVALID if job["input"] == 1 else None)
        lines.end()

    with stream_platform(refusing) as url, connected(url) as client, client.submitting() as jobs:
        good, bad = jobs.submit("echo", 0), jobs.submit("echo", 1)
        with pytest.raises(JobsRefusedError, match="1 jobs were refused: 422 invalid_input: no") as refused:
            jobs.flush()
        assert [problem.status for problem in refused.value.problems] == [422]
        assert good.result(0).id
        with pytest.raises(PlatformRefusedError, match="invalid_input"):
            bad.result(0)
        jobs.flush()


NO_TOKEN = {"status": 401, "code": "unauthenticated"}


async def refused_at_once(lines: Lines) -> None:
    await lines.head(401, NO_TOKEN)


async def revoked(lines: Lines) -> None:
    await lines.head()
    await lines.line()
    lines.say({"problem": NO_TOKEN})
    lines.end()


@pytest.mark.parametrize("handle", [refused_at_once, revoked])
def test_a_token_that_does_not_work_ends_it_for_every_job(handle: Handle) -> None:
    with stream_platform(handle) as url, connected(url) as client:
        jobs = client.submitting().__enter__()
        answer = jobs.submit("echo", 1)
        for fails in (lambda: answer.result(20), jobs.flush, lambda: jobs.submit("echo", 2)):
            with pytest.raises(PlatformRefusedError, match="unauthenticated"):
                fails()
        with pytest.raises(PlatformRefusedError):
            jobs.__exit__(None)


def test_a_platform_that_stays_away_is_given_up() -> None:
    with connected("http://127.0.0.1:1") as client:
        jobs = client.submitting().__enter__()
        jobs.submit("echo", 1)
        with pytest.raises(httpx.TransportError):
            jobs.__exit__(None)


def test_the_stream_of_asyncio_does_the_same() -> None:
    async def scenario(url: str) -> None:
        async with AsyncClient(url, "secret", patience=AT_ONCE) as client:
            async with client.submitting(window=3) as jobs:
                answers = [await jobs.submit("echo", number) for number in range(20)]
                await jobs.flush()
                assert (await answers[19]).id
            assert len({answer.result().id for answer in answers}) == 20
            jobs = await client.submitting().__aenter__()
            bad = await jobs.submit("echo", "bad")
            with pytest.raises(JobsRefusedError):
                await jobs.__aexit__(None)
            with pytest.raises(PlatformRefusedError):
                await bad

    async def refusing(lines: Lines) -> None:
        await lines.head()
        while job := await lines.line():
            lines.answer(job, INVALID)
        lines.end()

    with stream_platform(store_all, refusing) as url:
        asyncio.run(scenario(url))
