"""Serves this process's page of metrics, on METRICS_PORT.

A process counts for itself. If PROMETHEUS_MULTIPROC_DIR names a folder, the processes of a web server count
there, and the page of each is that of all.
"""

from __future__ import annotations

import logging
import time
from functools import cache
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from jobs.exporting.folder_collector import FolderCollector

if TYPE_CHECKING:
    from jobs.exporting.survey_collector import SurveyCollector

log = logging.getLogger(__name__)
TURN_S = 5.0


@cache
def serve() -> None:
    """Serve /metrics on METRICS_HOST and METRICS_PORT, if a port is set; a second call does nothing.

    Where the port is taken, as by a predecessor that hangs, the process works all the same, and its page
    comes once the port is free.
    """
    if not settings.INFERENCE.metrics_port:
        return
    try:
        _listen()
    except OSError as error:
        log.warning("METRICS_PORT cannot be served now, and is tried again: %s", error)
        serve_in_turn()


@cache
def serve_in_turn() -> None:
    """Do the same where several processes have one port, those of a web server: one of them serves it.

    When that one ends, another takes over.
    """
    if settings.INFERENCE.metrics_port:
        Thread(target=_listen_when_free, name="metrics", daemon=True).start()


def page(*, with_subfolders: bool = False) -> CollectorRegistry:
    """Return what a page shows: what was counted here, and what the surveyor knows of all jobs.

    `with_subfolders` adds the processes that count in folders of that folder, as those of `make up` do.
    """
    made = CollectorRegistry(support_collectors_without_names=True)  # what `?name[]=` asks for may be any
    folder = settings.INFERENCE.prometheus_multiproc_dir
    made.register(FolderCollector(Path(folder), deep=with_subfolders) if folder else REGISTRY)
    if settings.INFERENCE.database_url:
        made.register(_survey())
    return made


@cache
def _survey() -> SurveyCollector:
    """Return the process's only one, because it reads at most once a second for all pages."""
    from jobs.exporting.survey_collector import SurveyCollector  # not in beat and Flower, without a database

    return SurveyCollector()


def _listen_when_free() -> None:
    while True:
        try:
            return _listen()
        except OSError:
            time.sleep(TURN_S)


def _listen() -> None:
    config = settings.INFERENCE
    start_http_server(config.metrics_port, addr=config.metrics_host, registry=page())
