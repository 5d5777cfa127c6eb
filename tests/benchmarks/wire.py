"""HTTP/1.1 over bare sockets: a heavy client would measure itself."""

from __future__ import annotations

from urllib.parse import urlsplit

JOBS = "/api/v1/jobs"


def request(
    url: str, token: str, method: str, path: str = JOBS, content: bytes = b"", more: str = ""
) -> bytes:
    """Return the bytes of a request; `more` are further header lines, each with its line break."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {token}\r\n"
    head += f"{more}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def length(head: bytes) -> int:
    """Return the length of the body that follows `head`; 0 where it gives none."""
    lines = head.lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
