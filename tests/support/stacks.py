"""Stacks that a test runs on servers of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT

# Of the servers that this process uses; a stack that finds none starts its own.
SERVERS = ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL")


def refusals(stack: Stack) -> list[str]:
    """Return what the stack's own Postgres refused for want of a right."""
    log = stack.run_dir / "log" / "postgres.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in lines if "permission denied" in line or "must be owner" in line]


@contextmanager
def own_stack(name: str, *, only: Sequence[str], env: Mapping[str, str]) -> Iterator[Stack]:
    """Run a stack of `only` these programs, with servers of its own, and delete it afterwards."""
    urls = {server: os.environ.pop(server) for server in SERVERS if server in os.environ}
    stack = Stack(PROJECT / ".run" / f"{name}-{os.getpid()}", only=only, workers=1, env=env)
    try:
        with stack:
            os.environ.update(urls)
            yield stack
            # Its programs log in as production's do, so each test shows that none needs more rights.
            assert refusals(stack) == []
    finally:
        os.environ.update(urls)
        stack.delete()
