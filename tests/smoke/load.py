"""`python -m tests.smoke.load URL CA_FILE HISTORY SEED RATE`: posts jobs through the proxy, with TLS.

The token comes in the variable TOKEN, because every user can read command lines. For the rest it is the fault
suite's load: a call without an answer is repeated with its Idempotency-Key until it has one.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import sys
from pathlib import Path

import httpx

from inference_client import AsyncClient
from tests.chaos.load import MOST_CALLS, PATIENCE, TIMEOUT_S, Load
from tests.chaos.mix import Call
from tests.chaos.records import FINE, Recorder

BULK_SHARE, LARGEST = 0.4, 40
MODELS = {"sleeper": 5, "sleeper:slow": 3, "echo": 2}


def draw(chance: random.Random) -> Call:
    """Return the next call: a job, or up to LARGEST of them."""
    (model,) = chance.choices(list(MODELS), list(MODELS.values()))
    size = chance.randint(2, LARGEST) if chance.random() < BULK_SHARE else 1
    jobs = [{"model": model, "input": {"n": chance.getrandbits(48)}, "priority": chance.randrange(10)}
            for _ in range(size)]  # fmt: skip
    return Call(model, jobs, [FINE] * size)


def client(url: str, token: str, ca_file: str) -> AsyncClient:
    """Return a client that trusts only this CA."""
    context = ssl.create_default_context(cafile=ca_file)
    limits = httpx.Limits(max_connections=2 * MOST_CALLS, max_keepalive_connections=MOST_CALLS)
    transport = httpx.AsyncHTTPTransport(verify=context, limits=limits)
    return AsyncClient(url, token, patience=PATIENCE, timeout_s=TIMEOUT_S, transport=transport)


async def main(url: str, ca_file: str, path: str, seed: str, rate: str) -> None:
    """Post until standard input ends."""
    load = Load(client(url, os.environ["TOKEN"], ca_file), Recorder(Path(path)), seed, float(rate), draw=draw)
    await load.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
