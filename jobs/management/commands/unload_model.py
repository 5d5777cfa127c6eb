"""Unload a model from running workers; jobs that they fetched but did not claim go back to the queue."""

from __future__ import annotations

from jobs.management.order import OrderCommand
from jobs.services.lifecycle.order_models import UNLOAD


class Command(OrderCommand):
    help = (
        "Unload a model or one of its versions from running workers: unload_model minilm --worker gpu-0@host"
    )
    order = UNLOAD
