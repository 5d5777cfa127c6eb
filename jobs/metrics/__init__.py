"""The catalogue of all metrics: name, type, labels, unit and meaning; `manage.py metrics` prints it.

Each process counts its own. If PROMETHEUS_MULTIPROC_DIR names a folder, the processes of a host count there,
and each of them serves the metrics of all.

No label holds an id, a fingerprint or free text. Names of models and versions are those of the registry;
clients are the busiest ones and `other`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from threading import Thread

import psutil
from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from jobs.metrics.call_metrics import *  # noqa: F403  # one name for all of the catalogue: `metrics.X`
from jobs.metrics.job_metrics import *  # noqa: F403
from jobs.metrics.relay_metrics import *  # noqa: F403
from jobs.metrics.upkeep_metrics import *  # noqa: F403
from jobs.metrics.worker_metrics import *  # noqa: F403

TURN_S = 5.0


def counted() -> CollectorRegistry:
    """Return the metrics of all processes that share the folder, or else of this process."""
    folder: str = settings.INFERENCE.prometheus_multiproc_dir
    if not folder:
        return REGISTRY
    _forget_the_dead(Path(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # it ships no types here
    return registry


@cache
def serve() -> None:
    """Serve /metrics on METRICS_HOST and METRICS_PORT, if a port is set; a second call does nothing."""
    if settings.INFERENCE.metrics_port:
        _listen()


@cache
def serve_in_turn() -> None:
    """Do the same where several processes have one port, those of a web server: one of them serves it.

    When that one ends, another takes over. The page has the metrics of all if they share a folder.
    """
    if settings.INFERENCE.metrics_port:
        Thread(target=_listen_when_free, name="metrics", daemon=True).start()


def _listen_when_free() -> None:
    while True:
        try:
            return _listen()
        except OSError:
            time.sleep(TURN_S)


def _listen() -> None:
    config = settings.INFERENCE
    start_http_server(config.metrics_port, addr=config.metrics_host, registry=_Counted())


class _Counted(CollectorRegistry):
    """The metrics of all processes that share the folder, read again for each page."""

    def collect(self) -> Iterable[Metric]:
        """Yield them; the processes that ended meanwhile are left out."""
        return counted().collect()


def _forget_the_dead(folder: Path) -> None:
    """Drop the gauges of ended processes; their counters stay."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]  # it ships no types here
