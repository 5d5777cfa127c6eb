"""A GPU worker's answer to `celery inspect loaded_models`."""

from __future__ import annotations

from typing import Any

from celery.worker.control import inspect_command

from jobs.worker import process
from jobs.worker.model_orders import orders_of

NO_MODELS = "this worker runs no models"


@inspect_command()
def loaded_models(state: Any, **_: Any) -> dict[str, Any]:
    """Return the loaded versions, the models whose queues are consumed, and the state of each order."""
    current = process.current()
    if current is None:
        return {"error": NO_MODELS}
    orders = orders_of(current)
    versions = [
        {"version": str(entry.info), "memory_bytes": entry.memory_bytes, "load_s": round(entry.load_s, 3)}
        for entry in current.pool.loaded()
    ]
    return {"loaded": versions, "serves": orders.models(state.consumer), "orders": dict(orders.orders)}
