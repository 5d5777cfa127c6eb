"""The one configuration of logs, for every process, by LOG_FORMAT, LOG_LEVEL and PROCESS_NAME.

Our own records pass from LOG_LEVEL on. Celery and the servers log nothing below `info`, and other libraries
nothing below `warning`: there they write messages, headers and statements with what users sent.
"""

from __future__ import annotations

import logging
import logging.config
import os
from functools import partial
from typing import Any

from inference_site.config import Config
from inference_site.logs.log_lines import JsonLine, LineHandler, TextLine
from inference_site.logs.log_streams import take_streams
from inference_site.process_needs import Process

OURS = ("jobs", "models_registry", "inference_site", "access")
SERVERS = ("celery", "_granian", "flower", "uncaught")
REFUSALS = "django.security."
HINTS = {
    f"{REFUSALS}DisallowedHost": "its Host header names no host of ALLOWED_HOSTS",
    f"{REFUSALS}csrf": "its form lacks the CSRF token",
}
# They bring handlers of their own.
OTHERS = ("django", "django.server", "granian.access", "celery.task", "celery.redirected", "py.warnings")
SERVICES = frozenset({
    Process.WEB, Process.STREAM, Process.REGISTRAR, Process.RELAY, Process.GPU_WORKER, Process.AUTOSCALE,
    Process.CPU_WORKER, Process.BEAT, Process.FLOWER,
})  # fmt: skip


def logging_config(config: Config, process: Process) -> dict[str, Any]:
    """Return what `logging.config.dictConfig` takes."""
    level: int = getattr(logging, config.log_level.upper())
    levels = dict.fromkeys(OURS, level) | dict.fromkeys(SERVERS, max(level, logging.INFO))
    levels |= dict.fromkeys(OTHERS, logging.NOTSET)
    # What a process prints as it ends is no matter of levels.
    levels |= {"stdout": max(level, logging.INFO), "stderr": logging.WARNING}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"failures": {"()": Failures}, "refusals": {"()": Refusals}},
        "formatters": {"line": {"()": partial(_line, config, process)}},
        "handlers": {"stderr": {"()": LineHandler, "formatter": "line", "filters": ["refusals"]}},
        "loggers": {
            **{name: {"level": level, "handlers": [], "propagate": True} for name, level in levels.items()},
            "django.request": {"filters": ["failures"]},
        },
        "root": {"level": max(level, logging.WARNING), "handlers": ["stderr"]},
    }


class Failures(logging.Filter):
    """Lets errors of views pass: Django logs refusals, too, with their paths; the access log has those."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is about an error."""
        return record.exc_info is not None


class Refusals(logging.Filter):
    """Names the reason of what Django refuses, without its text and traceback: they quote paths and headers.

    Anybody can cause such a record, as often as they like; the access log has its call.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True, with the record changed where it is a refusal."""
        if record.name.startswith(REFUSALS):
            record.msg = f"a call is refused: {HINTS.get(record.name, record.name.removeprefix(REFUSALS))}"
            record.args = record.exc_info = record.exc_text = record.stack_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def start_logging(config: Config, process: Process) -> None:
    """Log from now on, where this process is a service; commands print what they say to a person."""
    if process in SERVICES:
        logging.config.dictConfig(logging_config(config, process))
        logging.captureWarnings(True)
        logging.logThreads = logging.logMultiprocessing = False  # no line holds their names, which cost 1 µs
        if config.log_format == "json":
            take_streams()


def main_handler() -> LineHandler:
    """Return the handler of granian's main process, which reads nothing of ours but `granian_logs.json`."""
    config = Config.from_env(os.environ)
    handler = LineHandler()
    handler.setFormatter(_line(config, Process.WEB))
    handler.setLevel(config.log_level.upper())
    return handler


def _line(config: Config, process: Process) -> logging.Formatter:
    return JsonLine(config.process_name or process.value) if config.log_format == "json" else TextLine()
