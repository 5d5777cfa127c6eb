"""Celery control commands of a GPU worker: load_model, unload_model and loaded_models."""

from __future__ import annotations

from typing import Any

from celery.worker.control import control_command, inspect_command

from jobs.worker import process
from jobs.worker.model_orders import ModelOrders, orders_of

NO_MODELS = "this worker runs no models"
_REF = {"args": [("ref", str)], "signature": "<name, name:version or name@alias>"}


@control_command(**_REF)
def load_model(state: Any, ref: str, **_: Any) -> dict[str, str]:
    """Load a model version and consume its model's queue; loaded_models shows the result."""
    orders = _orders()
    return {"error": NO_MODELS} if orders is None else {"ok": f"{ref}: {orders.load(ref, state.consumer)}"}


@control_command(**_REF)
def unload_model(state: Any, ref: str, **_: Any) -> dict[str, str]:
    """Drop a model, or one version of it; with its last version, stop consuming its queue."""
    orders = _orders()
    return {"error": NO_MODELS} if orders is None else {"ok": f"{ref}: {orders.unload(ref, state.consumer)}"}


@inspect_command()
def loaded_models(state: Any, **_: Any) -> dict[str, Any]:
    """Return the loaded versions, the models whose queues are consumed, and the state of each order."""
    orders, current = _orders(), process.current()
    if orders is None or current is None:
        return {"error": NO_MODELS}
    versions = [
        {"version": str(entry.info), "memory_bytes": entry.memory_bytes, "load_s": round(entry.load_s, 3)}
        for entry in current.pool.loaded()
    ]
    return {"loaded": versions, "serves": orders.models(state.consumer), "orders": dict(orders.orders)}


def _orders() -> ModelOrders | None:
    current = process.current()
    return None if current is None else orders_of(current)
