"""A virtual host of a test's own, with the users and rights that compose/ gives the production broker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from inference_site.stack.services import PROJECT

COMPOSE = PROJECT / "compose"
FILES = ("definitions.template.json", "render_definitions.sh")


@contextmanager
def production_logins(tmp_path: Path, *, default_queue_type: str = "classic") -> Iterator[dict[str, str]]:
    """Import what compose/ renders; yield the broker URL of each user, and of this run's own as `admin`.

    RabbitMQ 3.10 knows no default type of a virtual host's queues, and ignores it.
    """
    vhost, admin = f"rights-{uuid4().hex[:8]}", urlsplit(os.environ["BROKER_URL"])
    definitions, passwords = rendered(tmp_path, vhost)
    _management("put", f"/api/vhosts/{vhost}", {"default_queue_type": default_queue_type})
    _management("put", f"/api/permissions/{vhost}/{admin.username}", dict.fromkeys(RIGHTS, ".*"))
    _management("post", "/api/definitions", definitions)
    where = f"{admin.hostname}:{admin.port}/{vhost}"
    logins = {user: f"amqp://{user}:{password}@{where}" for user, password in passwords.items()}
    try:
        yield {**logins, "admin": f"amqp://{admin.username}:{admin.password}@{where}"}
    finally:
        _management("delete", f"/api/vhosts/{vhost}")


RIGHTS = ("configure", "write", "read")


def rendered(folder: Path, vhost: str) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Run compose's own script; return its definitions for a virtual host, and each user's password."""
    for name in FILES:
        shutil.copy(COMPOSE / name, folder)
    definitions = json.loads((folder / FILES[0]).read_text())
    passwords = {user["name"]: uuid4().hex for user in definitions["users"]}
    lines = [f"{user.upper().replace('-', '_')}_PASSWORD={word}" for user, word in passwords.items()]
    (folder / ".env").write_text("\n".join(lines))
    subprocess.run([f"{folder}/{FILES[1]}"], check=True)
    text = (folder / "definitions.json").read_text().replace('"/"', json.dumps(vhost))
    return json.loads(text), passwords


def _management(method: str, path: str, body: Any = None) -> None:
    url = f"{os.environ['RABBITMQ_MANAGEMENT_URL']}{path}"
    httpx.request(method, url, json=body, timeout=20, trust_env=False).raise_for_status()
