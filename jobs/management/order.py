"""An order to GPU workers over Celery's remote control, and its outcome at each worker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from celery.app.utils import find_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.services.reads.workers import live_nodes

ANSWER_S = 5.0
POLL_S = 0.3
UNDER_WAY, FAILED = ("loading", "unloading"), "failed"


class OrderCommand(BaseCommand):
    """Base of commands that send `order` for a model to workers and print the outcome at each."""

    order: ClassVar[str]

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the model's ref, the workers, and the time to wait for them."""
        parser.add_argument("ref", help="name, name:version or name@alias")
        parser.add_argument(
            "--worker",
            action="append",
            help="a node such as gpu-0@host, repeatable; all if missing",
        )
        parser.add_argument("--timeout", type=float, default=300.0, help="seconds to wait for the workers")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print each worker's reply; CommandError if one of them failed or was too slow."""
        nodes = options["worker"] or live_nodes()
        if not nodes:
            raise CommandError("No GPU worker is running.")
        failed = []
        for node, state in carry_out(self.order, options["ref"], nodes, options["timeout"]):
            self.stdout.write(f"{node}: {options['ref']} {state}")
            failed += [node] if state.startswith((FAILED, *UNDER_WAY)) else []
        if failed:
            raise CommandError(f"Not done by {', '.join(failed)}.")


def carry_out(order: str, ref: str, nodes: Sequence[str], timeout_s: float) -> Iterator[tuple[str, str]]:
    """Send the order, and yield each node with its final state as soon as it is reached."""
    until = time.monotonic() + timeout_s
    states = {node: _first_state(reply) for node, reply in _ask(order, nodes, ref=ref).items()}
    while states:
        is_late = time.monotonic() > until
        ended = {node: state for node, state in states.items() if is_late or state not in UNDER_WAY}
        yield from ended.items()
        states = _states(ref, [node for node in states if node not in ended])


def _first_state(reply: dict[str, Any]) -> str:
    return f"{FAILED}: {reply['error']}" if "error" in reply else UNDER_WAY[0]


def _states(ref: str, nodes: Sequence[str]) -> dict[str, str]:
    if not nodes:
        return {}
    time.sleep(POLL_S)
    replies = _ask("loaded_models", nodes)
    return {node: replies[node].get("orders", {}).get(ref, UNDER_WAY[0]) for node in nodes}


def _ask(command: str, nodes: Sequence[str], **arguments: str) -> dict[str, dict[str, Any]]:
    """Return each node's reply, or an error for a node without one."""
    control = find_app(settings.CELERY_APP).control
    messages = control.broadcast(
        command, arguments=arguments, destination=list(nodes), reply=True, timeout=ANSWER_S
    )
    replies = {node: reply for message in messages for node, reply in message.items()}
    return {node: replies.get(node, {"error": f"no answer in {ANSWER_S:.0f} s"}) for node in nodes}
