"""An order to GPU workers, stored for each of them, and its outcome at each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.services.lifecycle.order_models import order_model, order_states, withdraw_orders
from jobs.services.reads.workers import live_nodes
from models_registry.management.actor import actor

ANSWER_S = 10.0  # a worker looks every five seconds, also where no notification reached it
POLL_S = 0.3
UNDER_WAY, FAILED = ("loading", "unloading"), "failed"


class OrderCommand(BaseCommand):
    """Base of commands that give workers the `order` for a model and print the outcome at each."""

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
        """Print each worker's outcome; CommandError if one of them failed or was too slow."""
        nodes = options["worker"] or live_nodes()
        if not nodes:
            raise CommandError("No GPU worker is running.")
        failed = []
        for node, state in carry_out(self.order, options["ref"], nodes, options["timeout"]):
            self.stdout.write(f"{node}: {options['ref']} {state}")
            failed += [node] if state.startswith((FAILED, *UNDER_WAY)) else []
        if failed:
            raise CommandError(f"Not done by {', '.join(failed)}.")


def carry_out(action: str, ref: str, nodes: Sequence[str], timeout_s: float) -> Iterator[tuple[str, str]]:
    """Give the order, and yield each node with its outcome as soon as it is there, or with what it does."""
    began = time.monotonic()
    ids = order_model(action=action, ref=ref, nodes=nodes, actor=actor())
    node_of = {order.id: order.node for order in order_states(ids)}
    yield from ((node, f"{FAILED}: no such worker runs") for node in nodes if node not in node_of.values())
    while node_of and (waited_s := time.monotonic() - began) < timeout_s:
        time.sleep(POLL_S)
        unread = withdraw_orders([*node_of]) if waited_s > ANSWER_S else []
        yield from ((node_of.pop(order), f"{FAILED}: no answer in {ANSWER_S:.0f} s") for order in unread)
        ended = [order for order in order_states([*node_of]) if order.outcome]
        yield from ((node_of.pop(order.id), order.outcome) for order in ended)
    withdraw_orders([*node_of])
    yield from ((node, f"{action}ing") for node in node_of.values())
