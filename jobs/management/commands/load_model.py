"""Load a model on running workers."""

from __future__ import annotations

from jobs.management.order import OrderCommand


class Command(OrderCommand):
    help = "Have workers load a model version and serve its model: load_model minilm --worker gpu-0@host"
    order = "load_model"
