"""A noisy client: nonsense, bad tokens, floods and reads, all at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from threading import Event, Thread

import httpx

from tests.chaos.faults.fault import Fault
from tests.chaos.world import World
from tests.support.app import JOBS

THREADS = 4
NOBODY = f"{JOBS}/01890000-0000-7000-8000-000000000000"


def _calls(http: httpx.Client) -> tuple[Callable[[], httpx.Response], ...]:
    return (
        lambda: http.post(JOBS, content=b"{not json"),
        lambda: http.post(JOBS, json={"model": "nobody's", "input": {}}),
        lambda: http.post(JOBS, json={"model": "minilm", "input": {"text": 5}}),
        lambda: http.post(JOBS, content=b"[" * 200_000),
        lambda: http.post(f"{JOBS}/bulk", json=[{"model": "echo"}] * 2_000),
        lambda: http.post(JOBS, json={"model": "echo", "input": {}}, headers={"Authorization": "Bearer no"}),
        lambda: http.get(NOBODY),
        lambda: http.get(JOBS, params={"state": "running"}),
        lambda: http.post(f"{NOBODY}/cancel"),
    )


@contextlib.contextmanager
def noisy(world: World) -> Iterator[None]:
    """Have a few threads call without a pause, and post a flood of jobs of the lowest priority."""
    enough, answers = Event(), list[int]()
    threads = [Thread(target=_shout, args=(world, enough, answers), daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        world.submit("echo", [{"flood": world.fresh()} for _ in range(3_000)], priority=0)
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join(30)
        world.hit(len(answers), "calls answered")


def _shout(world: World, enough: Event, answers: list[int]) -> None:
    info = world.stack.info
    headers = {"Authorization": f"Bearer {info['token']}"}
    with httpx.Client(base_url=info["api"], headers=headers, timeout=10, trust_env=False) as http:
        while not enough.is_set():
            for call in _calls(http):
                with contextlib.suppress(httpx.HTTPError):
                    answers.append(call().status_code)


FAULTS = (Fault("a noisy client", noisy, 12.0),)
