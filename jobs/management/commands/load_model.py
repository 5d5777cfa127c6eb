"""Load a model on running workers."""

from __future__ import annotations

from jobs.management.order import OrderCommand
from jobs.services.lifecycle.order_models import LOAD


class Command(OrderCommand):
    help = "Load a model version on running workers, to serve it: load_model minilm --worker gpu-0@host"
    order = LOAD
