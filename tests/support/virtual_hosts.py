"""Virtual hosts of this run's broker: each is as empty as a new broker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import httpx


@contextmanager
def management() -> Iterator[httpx.Client]:
    """Yield a client of the management API of this run's broker, as its administrator."""
    parts = urlsplit(os.environ["RABBITMQ_MANAGEMENT_URL"])
    api = f"{parts.scheme}://{parts.hostname}:{parts.port}/api/"
    login = (parts.username or "", parts.password or "")
    with httpx.Client(base_url=api, auth=login, trust_env=False, timeout=30) as http:
        yield http


@contextmanager
def virtual_host() -> Iterator[str]:
    """Make an empty virtual host, and yield the broker's URL for it."""
    name, broker = f"procedures-{uuid4().hex[:8]}", urlsplit(os.environ["BROKER_URL"])
    rights = dict.fromkeys(("configure", "write", "read"), ".*")
    with management() as http:
        http.put(f"vhosts/{name}").raise_for_status()
        http.put(f"permissions/{name}/{broker.username}", json=rights).raise_for_status()
        try:
            yield f"amqp://{broker.username}:{broker.password}@{broker.hostname}:{broker.port}/{name}"
        finally:
            http.delete(f"vhosts/{name}").raise_for_status()
