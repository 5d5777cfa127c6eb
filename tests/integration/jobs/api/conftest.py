"""Apps with tokens, and servers of the site. Read before Django is up, so that rows are imported late."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from django.test.client import ClientHandler

from inference_site.stack.ports import free_ports
from inference_site.stack.specs import APPLICATION
from tests.support.metrics_pages import PAGES
from tests.support.server_logs import LOGS
from tests.support.wait import wait_until

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


@pytest.fixture(autouse=True)
def described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold every answer that a test is given against the API's own description."""
    from tests.integration.jobs.api.openapi_check import check

    send = Client.request

    def request(self: Client, **how: Any) -> Any:
        answer = send(self, **how)
        method, path = how["REQUEST_METHOD"], how["PATH_INFO"]
        check(method, path, answer.status_code, answer.headers, lambda: answer.content)
        return answer

    monkeypatch.setattr(Client, "request", request)


def _check_described(answer: httpx.Response) -> None:
    from tests.integration.jobs.api.openapi_check import check

    check(answer.request.method, answer.request.url.path, answer.status_code, answer.headers, answer.read)


@pytest.fixture(scope="session")
def loop_server() -> Iterator[Any]:
    from tests.support.loop_road import loop_road

    with loop_road() as road:
        yield road


@pytest.fixture(params=["django", "loop"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Send submits on each of the two roads: Django's alone, or with the event loop's before it."""
    name: str = request.param
    if name == "loop":
        on_loop, on_django = request.getfixturevalue("loop_server"), ClientHandler.__call__

        def answer(self: ClientHandler, environ: dict[str, Any]) -> Any:
            return on_loop.answer(environ) if on_loop.takes(environ) else on_django(self, environ)

        monkeypatch.setattr(ClientHandler, "__call__", answer)
    return name


@pytest.fixture
def echo(db: str) -> None:
    from jobs.services.access.owner import forget_owners
    from models_registry import selectors
    from tests.support.factories import make_version

    forget_owners()
    selectors.forget()
    make_version("echo", input_schema=SCHEMA)


@pytest.fixture
def token(echo: None) -> str:
    from jobs.services.access.tokens import create_token

    return create_token(client="app")


@pytest.fixture
def app(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def other_app(echo: None) -> Client:
    from jobs.services.access.tokens import create_token

    return Client(headers={"Authorization": f"Bearer {create_token(client='other')}"})


@pytest.fixture
def post(app: Client) -> Callable[..., Any]:
    def send(body: Any, path: str = "/api/v1/jobs", **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return app.post(path, data=raw, content_type="application/json", headers=named)

    return send


@pytest.fixture
def serve(token: str, tmp_path: Path) -> Iterator[Callable[..., httpx.Client]]:
    """Start a server of the site and return a client of it."""
    with ExitStack() as stack:

        def start(**env: str) -> httpx.Client:
            port, metrics = free_ports(2)
            words = ["granian", "--interface", "asgi", "--port", str(port), "--no-ws", "--workers", "1"]
            words += ["--workers-kill-timeout", "8"]
            argv = [sys.executable, "-m", *words, APPLICATION]
            served = os.environ | {"METRICS_PORT": str(metrics)} | env
            log = tmp_path / f"server-{port}.log"
            with log.open("wb") as file:
                process = subprocess.Popen(argv, env=served, stdout=file, stderr=file)
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            headers = {"Authorization": f"Bearer {token}"}
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)
            client.event_hooks = {"response": [_check_described]}
            stack.callback(client.close)
            LOGS[client] = log
            PAGES[client] = f"http://127.0.0.1:{metrics}/metrics"
            _wait_until_up(client, process, log)
            return client

        yield start


def _wait_until_up(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, f"the server has ended: {log.read_text()[-3000:]}"
        with suppress(httpx.HTTPError):
            return client.get("/healthz").is_success
        return False

    wait_until(answers, every_s=0.05, what="the server's first answer")
