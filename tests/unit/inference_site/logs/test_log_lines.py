import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from inference_site.logs.log_lines import JsonLine, LineHandler, TextLine
from jobs.core.log_context import FIELDS, about

MARKER = "a-word-of-a-payload"
BATCH = UUID(int=5)


def record(message: Any = "said %s", *args: object, **extra: Any) -> Any:
    error = extra.pop("error", None)
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("jobs.relay", logging.WARNING, __file__, 7, message, args, info)
    made.created = datetime(2026, 11, 29, 12, 0, 0, 250_000, UTC).timestamp()
    vars(made).update(extra)
    return made


def line(made: Any) -> Any:
    text = JsonLine("relay").format(made)
    assert "\n" not in text
    return json.loads(text)


def raised() -> ValueError:
    try:
        int("two\nlines")
    except ValueError as error:
        return error
    raise AssertionError


def test_a_record_is_one_line_with_known_fields() -> None:
    assert line(record("said %s", "hello\nworld")) == {
        "time": "2026-11-29T12:00:00.250Z",
        "level": "WARNING",
        "logger": "jobs.relay",
        "message": "said hello\nworld",
        "process": "relay",
        "pid": os.getpid(),
    }


def test_what_is_worked_on_is_named_and_a_record_s_own_fields() -> None:
    with about(batch=BATCH, request_id="r"):
        fields = line(record("x", **{FIELDS: {"status": 202, "job": BATCH}}))
    assert {name: fields[name] for name in ("batch", "request_id", "status", "job")} == {
        "batch": str(BATCH), "request_id": "r", "status": 202, "job": str(BATCH),
    }  # fmt: skip


def test_fields_that_others_add_are_left_out() -> None:
    """Celery puts a task's arguments and result into `data`."""
    made = record("x", data={"args": MARKER}, task_kwargs=MARKER, **{FIELDS + "_": MARKER})
    for text in (JsonLine("relay").format(made), TextLine().format(made)):
        assert MARKER not in text


def test_a_traceback_is_one_text_in_the_line() -> None:
    fields = line(record("failed", error=raised()))
    assert fields["message"] == "failed"
    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].endswith(": 'two\\nlines'")


@pytest.mark.parametrize("message", ["\ud800 half a character", {"a": 1}, b"bytes", None, 7])
def test_whatever_is_logged_is_a_line_of_json(message: Any) -> None:
    assert line(record(message))["logger"] == "jobs.relay"


def test_a_line_for_people_ends_with_its_ids_and_the_traceback_follows() -> None:
    with about(request_id="r"):
        first, second, *_ = TextLine().format(record("said %s", "yes", error=raised())).splitlines()
    assert first == "2026-11-29T12:00:00.250Z WARNING jobs.relay: said yes request_id=r"
    assert second.startswith("Traceback")


def test_a_record_that_cannot_be_formatted_leaves_a_line_without_its_arguments() -> None:
    reading, writing = os.pipe()
    handler = LineHandler(writing)
    handler.setFormatter(JsonLine("relay"))
    handler.handle(record("%d", MARKER))
    handler.handle(record("whole"))
    os.close(writing)
    with os.fdopen(reading) as lines:
        lost, whole = map(json.loads, lines)
    assert lost["message"] == "a record of jobs.relay at line 7 cannot be written"
    assert MARKER not in str(lost)
    assert whole["message"] == "whole"


def test_nothing_is_raised_where_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    handler = LineHandler(writing)
    handler.handle(record("x"))
    os.close(writing)
    assert sys.stderr
