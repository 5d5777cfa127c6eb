"""Takes a gauge's series off the page, which prometheus_client cannot where processes share a folder."""

from __future__ import annotations

import math
import os

from prometheus_client import Gauge

from jobs.counting.file_owner import FOLDER


def drop(gauge: Gauge, *labels: str) -> None:
    """Show no value for these labels until the next one is set; a gauge with labels only."""
    if os.environ.get(FOLDER):
        gauge.labels(*labels).set(math.nan)  # a file keeps its entries: the reader skips these
    else:
        gauge.remove(*labels)
