"""A client that costs little: bare sockets, kept alive, with one request at a time on each.

python -m tests.benchmarks.flood URL TOKEN CONNECTIONS SECONDS [MODEL STATUS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median
from urllib.parse import urlsplit

from tests.benchmarks.wire import length, request

BODY = '{"model":"%s","input":{"text":"a short sentence"}}'
WARM_S = 1.0


async def main(url: str, token: str, connections: int, seconds: float, *model_and_status: str) -> None:
    model, status = model_and_status or ("echo", "202")
    parts = urlsplit(url)
    post = request(url, token, "POST", content=(BODY % model).encode())
    start = time.perf_counter() + WARM_S
    host, port = parts.hostname or "", parts.port or 80
    first = f"HTTP/1.1 {status}".encode()
    posters = (_post(host, port, post, first, start, seconds) for _ in range(connections))
    times = [wait for waits in await asyncio.gather(*posters) for wait in waits]
    print(len(times) / seconds, median(times) * 1e3)


async def _post(host: str, port: int, post: bytes, first: bytes, start: float, seconds: float) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    waits = []
    while (now := time.perf_counter()) < start + seconds:
        writer.write(post)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(length(head))
        assert head.startswith(first), head
        if now >= start:
            waits.append(time.perf_counter() - now)
    writer.close()
    return waits


if __name__ == "__main__":
    address, key, number, duration_s, *model_and_status = sys.argv[1:]
    asyncio.run(main(address, key, int(number), float(duration_s), *model_and_status))
