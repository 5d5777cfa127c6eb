"""A stand-in for the transit engine of HashiCorp Vault: encrypts with associated data, under one token."""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


@dataclass
class Transit:
    """Where it listens, the token that it takes, its key, and the status of all answers, if it is set."""

    url: str = ""
    token: str = "vault-token"  # of a test
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    status: int | None = None

    def answer(self, path: str, token: str | None, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON of one call, as Vault's documentation has them."""
        if self.status is not None:
            return self.status, {"errors": ["sealed"]}
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        bound = b64decode(body["associated_data"])
        if path == "/v1/transit/encrypt/inference":
            nonce = secrets.token_bytes(12)
            sealed = nonce + AESGCM(self.key).encrypt(nonce, b64decode(body["plaintext"]), bound)
            return 200, {"data": {"ciphertext": "vault:v1:" + b64encode(sealed).decode()}}
        if path == "/v1/transit/decrypt/inference":
            return self._opened(body["ciphertext"], bound)
        return 404, {"errors": []}

    def _opened(self, ciphertext: str, bound: bytes) -> tuple[int, dict[str, Any]]:
        sealed = b64decode(ciphertext.removeprefix("vault:v1:"))
        try:
            plain = AESGCM(self.key).decrypt(sealed[:12], sealed[12:], bound)
        except (InvalidTag, ValueError):
            return 400, {"errors": ["invalid ciphertext"]}
        return 200, {"data": {"plaintext": b64encode(plain).decode()}}


@contextmanager
def transit() -> Iterator[Transit]:
    """Serve on a free port of loopback during the block."""
    engine = Transit()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = engine.answer(self.path, self.headers.get("X-Vault-Token"), body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
