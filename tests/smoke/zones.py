"""The three zones: what is lost together."""

from __future__ import annotations

from collections.abc import Mapping

# Postgres, the proxy and the web processes are in none that is lost: they have no second here.
ZONES: Mapping[str, tuple[str, ...]] = {
    "a": ("rabbitmq-1", "relay-0", "gpu-worker-0"),
    "b": ("rabbitmq-2", "relay-1", "gpu-worker-1"),
    "c": ("rabbitmq-3",),
}


def zone_of(name: str) -> str:
    """Return a program's zone; those that are in none that is lost are in the last."""
    return next((zone for zone, members in ZONES.items() if name in members), "c")
