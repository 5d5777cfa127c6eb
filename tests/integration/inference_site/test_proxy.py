"""nginx with compose's own configuration in front of servers that answer with their names."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from inference_site.stack.ports import LOOPBACK
from tests.smoke.addresses import REGISTRAR, Addresses
from tests.smoke.proxy import Proxy
from tests.smoke.rendering import Rendered

SERVERS = ("web", "stream", REGISTRAR, "flower")
VERSIONS = "/api/v1/models/iris/versions"
CALLS = {
    ("api", "POST", VERSIONS): REGISTRAR,
    ("stream", "POST", VERSIONS): REGISTRAR,
    ("api", "POST", "/api/v1/models/a%20b/versions?x=1"): REGISTRAR,
    ("api", "GET", VERSIONS): "web",
    ("stream", "GET", VERSIONS): "web",
    ("admin", "POST", VERSIONS): "web",  # the admin's port is for browsers
    ("api", "POST", f"{VERSIONS}/"): "web",
    ("api", "POST", f"{VERSIONS}/1/stage"): "web",
    ("api", "POST", "/api/v1/models/a%2Fb/versions"): "web",  # no model has such a name
    ("api", "POST", "/api/v1/models//versions"): "web",
    ("api", "POST", f"/x{VERSIONS}"): "web",
    ("api", "POST", "/api/v1/jobs"): "web",
    ("api", "POST", "/api/v1/jobs/stream"): "web",
    ("stream", "POST", "/api/v1/jobs/stream"): "stream",
    ("stream", "GET", "/api/v1/jobs/1"): "stream",
    ("admin", "GET", "/admin/"): "web",
    ("flower", "GET", "/"): "flower",
    ("api", "GET", "/admin/"): "404",
    ("stream", "GET", "//metrics"): "404",
    ("admin", "GET", "/metrics"): "404",
    ("flower", "GET", "/metrics"): "404",
}


@contextmanager
def answering(name: str, port: int) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = f"{name} {self.command} {self.path} {body.decode()}".encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def addresses() -> Addresses:
    return Addresses.choose()


@pytest.fixture(scope="module")
def client(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    rendered = Rendered(folder / "compose", addresses)
    proxy = Proxy(folder, rendered=rendered, addresses=addresses)
    with ExitStack() as ends:
        for name in SERVERS:
            ends.enter_context(answering(name, addresses.port(name)))
        ends.callback(proxy.finish)
        proxy.start()
        proxy.wait_ready()
        trusted = ssl.create_default_context(cafile=rendered.ca_file)
        yield ends.enter_context(httpx.Client(verify=trusted, trust_env=False, timeout=20))


@pytest.mark.parametrize(("port", "method", "path"), CALLS)
def test_a_call_reaches_its_server_with_its_path_and_its_body(
    client: httpx.Client, addresses: Addresses, port: str, method: str, path: str
) -> None:
    body = b"words" if method == "POST" else b""
    answer = client.request(
        method, f"https://{LOOPBACK}:{addresses.port(f'proxy {port}')}{path}", content=body
    )
    server = CALLS[port, method, path]
    if server == "404":
        assert answer.status_code == httpx.codes.NOT_FOUND
    else:
        assert answer.text == f"{server} {method} {path} {body.decode()}"
