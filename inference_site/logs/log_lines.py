"""A log record as text: a line of JSON, or a line for people.

Only known fields are taken. Libraries add others, such as a task's arguments, which may quote what a user
sent.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pythonjsonlogger.core import LogData
from pythonjsonlogger.msgspec import MsgspecFormatter

from jobs.core.log_context import FIELDS, known_ids

STDERR = 2


class JsonLine(MsgspecFormatter):
    """One line of JSON a record: time, level, logger, message, process, ids, the traceback as one text."""

    def __init__(self, process: str) -> None:
        """Write `process` as the name of this process."""
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line, quickly if it has no traceback: each call of the API has one."""
        if record.exc_info or record.exc_text or record.stack_info or not isinstance(record.msg, str):
            return super().format(record)
        record.message = record.getMessage()
        return self.jsonify_log_record(self._known(record))

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Take what is known of a record."""
        log_data |= self._known(record)
        for name, part in (("exception", "exc_info"), ("stack", "stack_info")):
            if text := message_dict.get(part) if isinstance(record.msg, str) else None:
                log_data[name] = text

    def _known(self, record: logging.LogRecord) -> LogData:
        return {
            "time": moment(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.message or str(record.msg),
            "process": self._process,
            "pid": record.process,
            **fields_of(record),
        }

    def jsonify_log_record(self, log_data: LogData) -> str:
        """Return the line; also where a text holds half a character, which UTF-8 cannot write."""
        try:
            return super().jsonify_log_record(log_data)
        except UnicodeError:
            return json.dumps(log_data, default=str)


class TextLine(logging.Formatter):
    """One line a record for people, with its ids at the end, and below it the traceback."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the line."""
        pairs = "".join(f" {name}={value}" for name, value in fields_of(record).items())
        return f"{moment(record.created)} {record.levelname} {record.name}: {record.message}{pairs}"


class LineHandler(logging.Handler):
    """Writes each record at once by one system call: lines of several processes on one file do not mix."""

    def __init__(self, file: int = STDERR) -> None:
        """Write to an open file's number."""
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            left = memoryview(f"{self.format(record)}\n".encode(errors="backslashreplace"))
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            return  # the reader is gone
        except Exception:  # noqa: BLE001  # what logs must not fail by it
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Write that a record was lost; logging's own words would quote its arguments."""
        text = f"a record of {record.name} at line {record.lineno} cannot be written"
        lost = logging.LogRecord(__name__, logging.ERROR, record.pathname, 0, text, None, None)
        os.write(self._file, f"{self.format(lost)}\n".encode())


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """Return a record's ids and own fields: texts, numbers and ids."""
    own = getattr(record, FIELDS, None)
    return {**known_ids(), **own} if isinstance(own, dict) else known_ids()


def moment(unix_s: float) -> str:
    """Return a time as RFC 3339 has it, in UTC, to the millisecond."""
    second = int(unix_s)
    return f"{_second(second)}.{int((unix_s - second) * 1_000):03d}Z"


@lru_cache(maxsize=4)
def _second(unix_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_s))
