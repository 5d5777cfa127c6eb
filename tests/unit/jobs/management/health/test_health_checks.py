from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.test import override_settings

from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import manage
from jobs.management.health.health_checks import Health, check_of, checked

LOGIN = "Basic YWRtaW46d29yZA=="


@contextmanager
def serving(path: str, status: int, body: Any) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = None if path == "/readyz" else LOGIN
            expected = (self.path, self.headers.get("Authorization")) == (path, login)
            self.send_response(status if expected else 404)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer((LOOPBACK, 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", ["web", "stream", "registrar"])
def test_a_server_is_well_where_it_is_ready(name: str) -> None:
    with serving("/readyz", 200, {}) as url:
        assert checked(check_of(name, url)).good
    with serving("/readyz", 503, {}) as url:
        assert checked(check_of(name, url)) == Health(False, "HTTP Error 503: Service Unavailable")
    assert not checked(check_of(name, f"http://{LOOPBACK}:{free_port()}")).good


@pytest.mark.parametrize(("age_s", "good"), [(1, True), (600, False)])
@override_settings(FLOWER_BASIC_AUTH="admin:word")
def test_flower_is_well_where_it_sees_workers(age_s: int, *, good: bool) -> None:
    with serving("/api/workers", 200, {"cpu@host": {"timestamp": time.time() - age_s}}) as url:
        assert checked(check_of("flower", url)).good is good


def test_flower_s_login_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_text("admin:word\n")
    file.chmod(0o600)
    env = {"PATH": os.environ["PATH"], "FLOWER_BASIC_AUTH_FILE": str(file)}
    with serving("/api/workers", 200, {"cpu@host": {"timestamp": time.time()}}) as url:
        words = manage("health", "flower", "--url", url)
        asked = subprocess.run(words, env=env, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


@override_settings(FLOWER_BASIC_AUTH="admin:word")
def test_flower_that_sees_no_worker_is_not_well() -> None:
    with serving("/api/workers", 200, {}) as url:
        assert checked(check_of("flower", url)) == Health(False, "it sees 0 workers")


@pytest.mark.parametrize("name", ["relays", "worker-x", "beat-1", ""])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        check_of(name)
