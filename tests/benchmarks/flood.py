"""A client that costs little: bare sockets kept alive, one request at a time on each.

python -m tests.benchmarks.flood URL TOKEN CONNECTIONS SECONDS [MODEL STATUS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median
from urllib.parse import urlsplit

BODY = '{"model":"%s","input":{"text":"a short sentence"}}'
WARM_S = 1.0


async def main(url: str, token: str, connections: int, seconds: float, *what: str) -> None:
    model, status = what or ("echo", "202")
    parts, body = urlsplit(url), (BODY % model).encode()
    head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    start = time.perf_counter() + WARM_S
    request, host, port = head.encode() + body, parts.hostname or "", parts.port or 80
    first = f"HTTP/1.1 {status}".encode()
    posters = (_post(host, port, request, first, start, seconds) for _ in range(connections))
    times = [wait for waits in await asyncio.gather(*posters) for wait in waits]
    print(len(times) / seconds, median(times) * 1e3)


async def _post(
    host: str, port: int, request: bytes, first: bytes, start: float, seconds: float
) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    waits = []
    while (now := time.perf_counter()) < start + seconds:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
        assert head.startswith(first), head
        if now >= start:
            waits.append(time.perf_counter() - now)
    writer.close()
    return waits


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))


if __name__ == "__main__":
    address, key, many, long, *what = sys.argv[1:]
    asyncio.run(main(address, key, int(many), float(long), *what))
