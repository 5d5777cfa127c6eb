"""A roll-out's server-sent events on a real server, read by the client that apps use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Thread

import httpx
import pytest
from django.db import connection
from django.test import Client as DjangoClient

from inference_client import AsyncClient, Client, PlatformRefusedError, RolloutChange
from jobs.services.access.tokens import create_token
from jobs.services.rollouts import acts
from models_registry.models import Rollout
from tests.integration.jobs.api.rollouts.asked import read

Serve = Callable[..., httpx.Client]
WAIT_S = 20.0


@contextmanager
def platform(server: httpx.Client, *scopes: str) -> Iterator[Client]:
    token = create_token(client="operators", scopes=list(scopes) or ["roll_out"])
    with Client(str(server.base_url), token) as client:
        yield client


class Watcher:
    """A thread that puts each change of a roll-out into a queue."""

    def __init__(self, client: Client, rollout: int) -> None:
        self._seen = Queue[RolloutChange | Exception | None]()
        self._thread = Thread(target=self._run, args=(client, rollout), daemon=True)
        self._thread.start()

    def _run(self, client: Client, rollout: int) -> None:
        try:
            for change in client.rollouts.watch(rollout):
                self._seen.put(change)
            self._seen.put(None)
        except Exception as error:  # noqa: BLE001  # for the thread of the test
            self._seen.put(error)

    def next(self) -> RolloutChange | Exception | None:
        return self._seen.get(timeout=WAIT_S)


def test_a_watch_yields_each_change_and_ends_with_the_roll_out(serve: Serve, running: int) -> None:
    with platform(serve()) as client:
        watcher = Watcher(client, running)
        assert (first := watcher.next()) is not None
        assert isinstance(first, RolloutChange)
        assert (first.state, first.met) == ("running", 0)
        Rollout.objects.filter(pk=running).update(met=7)
        assert getattr(watcher.next(), "met", None) == 7
        acts.pause(running, actor="olga", reason="why")
        assert getattr(watcher.next(), "hold", None) == "paused"
        acts.roll_back(running, actor="olga")
        last = watcher.next()
        assert isinstance(last, RolloutChange)
        assert (last.state, last.ended, last.ended_at is not None) == ("rolled_back", True, True)
        assert watcher.next() is None
        assert [change.state for change in client.rollouts.watch(running)] == ["rolled_back"]


def cancel_apart(rollout: int) -> None:
    """Cancel on a thread of its own, and leave no connection there."""
    try:
        acts.cancel(rollout, actor="olga")
    finally:
        connection.close()


def test_a_watch_for_asyncio_yields_the_same_changes(serve: Serve, running: int) -> None:
    url = str(serve().base_url)
    token = create_token(client="operators", scopes=["roll_out"])

    async def watched() -> list[str]:
        states = []
        async with AsyncClient(url, token) as client:
            async for change in client.rollouts.watch(running):
                states.append(change.state)
                if len(states) == 1:
                    await asyncio.to_thread(cancel_apart, running)
        return states

    assert asyncio.run(watched()) == ["running", "cancelled"]


def test_an_event_that_the_client_has_is_not_sent_again(serve: Serve, running: int) -> None:
    acts.cancel(running, actor="olga")
    server = serve()
    with platform(server) as client:
        headers = {"Authorization": f"Bearer {create_token(client='app', scopes=['roll_out'])}"}
        first = server.get(f"/api/v1/rollouts/{running}/events", headers=headers)
        (last,) = [line for line in first.text.splitlines() if line.startswith("id: ")]
        again = {**headers, "Last-Event-ID": last.removeprefix("id: ")}
        assert server.get(f"/api/v1/rollouts/{running}/events", headers=again).status_code == 204
        with pytest.raises(PlatformRefusedError, match="404 rollout_not_found"):
            list(client.rollouts.watch(running + 1))


def test_the_scope_is_needed_on_the_event_loop_too(serve: Serve, running: int) -> None:
    refused = pytest.raises(PlatformRefusedError, match="403 forbidden")
    with platform(serve(), "read", "approve", "register") as client, refused:
        list(client.rollouts.watch(running))


def test_django_alone_answers_with_the_newest_event(operator: DjangoClient, running: int) -> None:
    answer = operator.get(f"/api/v1/rollouts/{running}/events")
    text = answer.content.decode()
    assert text.startswith("retry: ")
    assert "event: change" in text
    (last,) = [line.removeprefix("id: ") for line in text.splitlines() if line.startswith("id: ")]
    again = operator.get(f"/api/v1/rollouts/{running}/events", headers={"Last-Event-ID": last})
    assert (again.status_code, "event:" in again.content.decode()) == (200, False)
    acts.cancel(running, actor="olga")
    ended = operator.get(f"/api/v1/rollouts/{running}/events", headers={"Last-Event-ID": last})
    assert "event: end" in ended.content.decode()
    assert read(operator, f"/api/v1/rollouts/{running}")[1]["state"] == "cancelled"


def test_the_client_does_on_a_real_server_what_an_operator_needs(serve: Serve, versions: None) -> None:
    with platform(serve(), "roll_out", "approve") as client:
        document = {"stable": "1", "candidate": "2", "share": 0.5}
        assert client.rollouts.preview("echo", document, asks=[{"input": {"text": "a"}}]).total == 1
        assert client.rollouts.put_rule("echo", {"stable": "1"}, reason="only it").number == 1
        assert [rule.reason for rule in client.rollouts.rules("echo", alias="default")] == ["only it"]
        rollout = client.rollouts.start("echo", "2", reason="better", ticket="ML-31")
        assert (rollout.state, client.rollouts.get(rollout.id)) == ("planned", rollout)
        with pytest.raises(PlatformRefusedError) as caught:
            client.rollouts.start("echo", "2")
        assert (caught.value.problem.code, caught.value.problem.rollout) == ("rollout_conflict", rollout.id)
        assert client.rollouts.budget(rollout.id, 77).budget == 77
        with pytest.raises(PlatformRefusedError, match="409 approval"):
            client.rollouts.approve(rollout.id)
        assert client.rollouts.record(rollout.id)["by"]["ticket"] == "ML-31"
        assert "ML-31" in client.rollouts.record_page(rollout.id)
        assert client.rollouts.cancel(rollout.id, reason="a test").ended
        assert [one.id for one in client.rollouts.list(state="cancelled", model="echo")] == [rollout.id]
