"""A virtual host of a test's own, with the users and rights that compose/ gives the production broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from inference_site.stack.services import PROJECT

COMPOSE = PROJECT / "compose"
ENV = {
    "API_URL": "https://api", "STREAM_URL": "https://stream", "ALLOWED_HOSTS": "api", "OWNERS": "self",
}  # fmt: skip


@contextmanager
def production_logins(tmp_path: Path, *, default_queue_type: str = "classic") -> Iterator[dict[str, str]]:
    """Import what compose/ renders; yield the broker URL of each user, and of this run's own as `admin`.

    RabbitMQ 3.10 knows no default type of a virtual host's queues, and ignores it.
    """
    vhost, admin = f"rights-{uuid4().hex[:8]}", urlsplit(os.environ["BROKER_URL"])
    definitions, urls = rendered(tmp_path, vhost)
    _management("put", f"/api/vhosts/{vhost}", {"default_queue_type": default_queue_type})
    _management("put", f"/api/permissions/{vhost}/{admin.username}", dict.fromkeys(RIGHTS, ".*"))
    _management("post", "/api/definitions", definitions)
    where = f"{admin.hostname}:{admin.port}/{vhost}"
    logins = {user: f"{url.rpartition('@')[0]}@{where}" for user, url in urls.items()}
    try:
        yield {**logins, "admin": f"amqp://{admin.username}:{admin.password}@{where}"}
    finally:
        _management("delete", f"/api/vhosts/{vhost}")


RIGHTS = ("configure", "write", "read")


def rendered(folder: Path, vhost: str) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Run compose's own script; return its definitions for a virtual host, and each user's first URL."""
    users = [
        user["name"] for user in json.loads((COMPOSE / "definitions.template.json").read_text())["users"]
    ]
    # A shell or a URL would read these characters as something else.
    words = {f"{user.upper().replace('-', '_')}_PASSWORD": f"{uuid4().hex} @/$:%#" for user in users}
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in {**ENV, **words}.items()))
    subprocess.run([sys.executable, COMPOSE / "render.py", folder], check=True)
    made = folder / "rendered"
    text = (made / "rabbitmq/definitions.json").read_text().replace('"/"', json.dumps(vhost))
    urls = {user: (made / "urls" / f"broker-{user}").read_text() for user in users}
    # The broker of the tests has no TLS.
    return json.loads(text), {
        user: url.partition(";")[0].replace("amqps:", "amqp:") for user, url in urls.items()
    }


def _management(method: str, path: str, body: Any = None) -> None:
    url = f"{os.environ['RABBITMQ_MANAGEMENT_URL']}{path}"
    httpx.request(method, url, json=body, timeout=20, trust_env=False).raise_for_status()
