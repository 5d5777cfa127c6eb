"""The attacker of the benchmark `abuse`: each attack in a loop of its own, until standard input closes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import msgspec

MARK = "of-the-victim-9f27c1"
MIB = 2**20
SLOW, READERS, GUESSERS, WAITERS = 16, 60, 24, 200


CALLS = (
    ("GET", ""),
    ("GET", "/lineage"),
    ("GET", "/events"),
    ("DELETE", ""),
    ("POST", "/cancel"),
    ("POST", "/replay"),
)


class Order(msgspec.Struct):
    """Where the servers are, tokens of two tenants, a job of the victim, and an address that never answers.

    The second tenant sends slow bodies, which would keep the first one's others out.
    """

    api: str
    stream: str
    token: str
    slow_token: str
    job: str
    silent: str


class Attacker:
    """Counts the answers to each attack, and those that hold the victim's data."""

    def __init__(self, order: Order) -> None:
        self.order, self.seen, self.large = order, 0, ""
        self.answers: dict[str, Counter[str]] = {}
        limits = httpx.Limits(max_connections=None)
        self.http = httpx.AsyncClient(base_url=order.api, timeout=30, limits=limits, trust_env=False)
        self.token = {"Authorization": f"Bearer {order.token}"}

    async def call(self, attack: str, method: str, url: str, **options: object) -> httpx.Response | None:
        """Make a call and note its answer."""
        counter = self.answers.setdefault(attack, Counter())
        try:
            answer = await self.http.request(method, url, **options)  # type: ignore[arg-type]  # as they come
        except httpx.HTTPError as error:
            counter[type(error).__name__] += 1
            return None
        counter[str(answer.status_code)] += 1
        self.seen += MARK.encode() in answer.content
        return answer

    async def post(self, attack: str, value: object, *, bulk: bool = False) -> httpx.Response | None:
        """Submit one job or many."""
        path = "/api/v1/jobs/bulk" if bulk else "/api/v1/jobs"
        headers = self.token | {"Content-Type": "application/json"}
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return await self.call(attack, "POST", path, content=content, headers=headers)


async def _trickle(attacker: Attacker, path: str, *, known: bool) -> None:
    """Send a body that never ends, 120 kB a second."""
    where, counter = urlsplit(attacker.order.api), attacker.answers.setdefault(f"slow {path}", Counter())
    token = f"Authorization: Bearer {attacker.order.slow_token}\r\n" if known else ""
    kind = "multipart/form-data; boundary=x" if not known else "application/octet-stream"
    head = f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\n{token}Content-Type: {kind}\r\n"
    try:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(f"{head}Content-Length: {10**13 if not known else 900_000}\r\n\r\n".encode())
        while not reader.at_eof() and not reader._buffer:  # type: ignore[attr-defined]  # an answer ends it
            writer.write(b"x" * 12_000)
            await writer.drain()
            await asyncio.sleep(0.1)
        counter[(await asyncio.wait_for(reader.readline(), 5)).decode().split(" ")[1]] += 1
        writer.close()
    except (OSError, IndexError, TimeoutError) as error:
        counter[type(error).__name__] += 1
    await asyncio.sleep(0.5)


async def _guess(attacker: Attacker) -> None:
    attack, path = "guessed passwords", "/admin/login/"
    if "csrftoken" not in attacker.http.cookies:
        await attacker.call(attack, "GET", path)
    form = {"username": "admin", "password": "guess", "csrfmiddlewaretoken": _cookie(attacker)}
    await attacker.call(attack, "POST", path, data=form)


def _cookie(attacker: Attacker) -> str:
    return str(attacker.http.cookies.get("csrftoken", ""))


async def _amplify(attacker: Attacker) -> None:
    """Name one upload of 2 MB four hundred times."""
    upload = await attacker.call(
        "uploads", "POST", "/api/v1/uploads", content=b'"' + b"x" * (2 * MIB) + b'"',
        headers=attacker.token | {"Content-Type": "application/octet-stream"},
    )  # fmt: skip
    if upload is not None and upload.status_code < httpx.codes.BAD_REQUEST:
        names = [{"$upload": upload.json()["id"]}] * 400
        await attacker.post("one upload, 400 times", {"model": "echo", "input": {"texts": names}})
    await asyncio.sleep(1)


async def _unknown(attacker: Attacker) -> None:
    jobs = [{"model": f"no-such-{number}", "input": {}} for number in range(10_000)]
    await attacker.post("10,000 unknown models", jobs, bulk=True)
    await asyncio.sleep(5)


async def _callbacks(attacker: Attacker) -> None:
    silent = attacker.order.silent
    jobs = [{"model": "echo", "input": {}, "callback_url": f"{silent}?{n}"} for n in range(1_000)]
    await attacker.post("callbacks that never answer", jobs, bulk=True)
    await asyncio.sleep(20)


async def _hosts(attacker: Attacker) -> None:
    jobs = [{"model": "echo", "input": {}, "callback_url": f"https://h{n}.example/"} for n in range(10_000)]
    await attacker.post("10,000 callback hosts", jobs, bulk=True)
    await asyncio.sleep(5)


async def _large(attacker: Attacker) -> None:
    item = {"model": "echo", "input": {"text": "x" * 20 * MIB}}
    await attacker.post("one item of 20 MB", [item], bulk=True)
    await asyncio.sleep(5)


async def _flood(attacker: Attacker) -> None:
    await attacker.post("a flood of jobs", [{"model": "sleeper", "input": {}}] * 2_000, bulk=True)
    await asyncio.sleep(2)


async def _bombs(attacker: Attacker) -> None:
    for text in (b"[" * 500_000, b'{"model": "echo", "input": ' + b"9" * 900_000 + b"}", b'{"a":' * 100_000):
        await attacker.post("malformed bodies", text)
    await asyncio.sleep(1)


async def _others(attacker: Attacker) -> None:
    """Try to reach the victim's job by every call."""
    path = f"/api/v1/jobs/{attacker.order.job}"
    for method, suffix in CALLS:
        await attacker.call("the victim's job", method, path + suffix, headers=attacker.token)
    await attacker.call("the list of jobs", "GET", "/api/v1/jobs?limit=100", headers=attacker.token)
    await asyncio.sleep(1)


async def _read(attacker: Attacker) -> None:
    """Read a large result of one's own over and over."""
    if not attacker.large:
        made = await attacker.post("a large result", {"model": "echo", "input": {"text": "x" * 900_000}})
        if made is not None and made.is_success:
            attacker.large = made.json()["id"]
    else:
        await attacker.call("large results", "GET", f"/api/v1/jobs/{attacker.large}", headers=attacker.token)
    await asyncio.sleep(1)


async def _wait(attacker: Attacker) -> None:
    """Wait for a job that is behind all others, by a long poll and by a stream of events."""
    job = await attacker.post("jobs to wait for", {"model": "sleeper", "input": {}, "priority": 0})
    if job is not None and job.is_success:
        for suffix in ("?wait=30", "/events"):
            url = f"{attacker.order.stream}/api/v1/jobs/{job.json()['id']}{suffix}"
            await attacker.call("waiting calls", "GET", url, headers=attacker.token)
    await asyncio.sleep(1)


ATTACKS: tuple[tuple[int, Callable[[Attacker], Awaitable[None]]], ...] = (
    (SLOW, lambda attacker: _trickle(attacker, "/api/v1/jobs/bulk", known=True)),
    (SLOW, lambda attacker: _trickle(attacker, "/api/v1/uploads", known=True)),
    (SLOW, lambda attacker: _trickle(attacker, "/admin/login/", known=False)),
    (GUESSERS, _guess), (4, _amplify), (1, _unknown), (1, _callbacks), (1, _hosts), (1, _large), (1, _flood),
    (2, _bombs), (2, _others), (READERS, _read), (WAITERS, _wait),
)  # fmt: skip


@asynccontextmanager
async def _running(attacker: Attacker) -> AsyncIterator[None]:
    async def again(attack: Callable[[Attacker], Awaitable[None]]) -> None:
        while True:
            await attack(attacker)
            await asyncio.sleep(0.05)

    loops = [asyncio.create_task(again(attack)) for count, attack in ATTACKS for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await attacker.http.aclose()


async def _main(order: Order) -> None:
    attacker = Attacker(order)
    async with _running(attacker):
        await asyncio.to_thread(sys.stdin.read)
    attacks = {
        name: (sum(count.values()), dict(count.most_common(6))) for name, count in attacker.answers.items()
    }
    sys.stdout.buffer.write(msgspec.json.encode({"attacks": attacks, "seen": attacker.seen}))


if __name__ == "__main__":
    asyncio.run(_main(msgspec.json.decode(sys.argv[1].encode(), type=Order)))
