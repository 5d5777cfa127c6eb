"""Load a model on running workers."""

from __future__ import annotations

from jobs.management.order import OrderCommand


class Command(OrderCommand):
    help = "Load a model version on running workers, to serve it: load_model minilm --worker gpu-0@host"
    order = "load_model"
