"""Celery control commands of a GPU worker: load_model, unload_model and loaded_models."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery.worker.control import control_command, inspect_command

from jobs.worker import process as host
from jobs.worker.model_orders import ModelOrders

NO_MODELS = "this worker runs no models"
_REF = {"args": [("ref", str)], "signature": "<name, name:version or name@alias>"}
_rosters: dict[UUID, ModelOrders] = {}


@control_command(**_REF)
def load_model(state: Any, ref: str, **_: Any) -> dict[str, str]:
    """Load a model version and consume its model's queue; loaded_models says what came of it."""
    roster = _roster()
    return {"error": NO_MODELS} if roster is None else {"ok": f"{ref}: {roster.load(ref, state.consumer)}"}


@control_command(**_REF)
def unload_model(state: Any, ref: str, **_: Any) -> dict[str, str]:
    """Drop a model, or one version of it; with its last version, stop consuming its queue."""
    roster = _roster()
    return {"error": NO_MODELS} if roster is None else {"ok": f"{ref}: {roster.unload(ref, state.consumer)}"}


@inspect_command()
def loaded_models(state: Any, **_: Any) -> dict[str, Any]:
    """Say which versions are loaded, which models' queues are consumed, and what became of orders."""
    roster, current = _roster(), host.current()
    if roster is None or current is None:
        return {"error": NO_MODELS}
    versions = [
        {"version": str(each.info), "memory_bytes": each.memory_bytes, "load_s": round(each.load_s, 3)}
        for each in current.pool.loaded()
    ]
    return {"loaded": versions, "serves": roster.models(state.consumer), "orders": dict(roster.orders)}


def _roster() -> ModelOrders | None:
    current = host.current()
    return None if current is None else _rosters.setdefault(current.incarnation.id, ModelOrders(current))
