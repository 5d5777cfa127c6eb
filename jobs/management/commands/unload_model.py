"""Drop a model from running workers; what they fetched and did not claim goes back to its queue."""

from __future__ import annotations

from jobs.management.order import OrderCommand


class Command(OrderCommand):
    help = "Have workers drop a model, or one version of it: unload_model minilm --worker gpu-0@host"
    order = "unload_model"
