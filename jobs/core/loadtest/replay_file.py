"""A recording to replay: a CSV file with the columns of `manage.py simulate --csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from math import isfinite

from jobs.core.priority import DEFAULT, broker_level
from jobs.core.simulation.arrivals import Arrival


class ReplayError(ValueError):
    """A recording cannot be replayed; the message names the line."""


def parse_replay(lines: Iterable[str]) -> list[Arrival]:
    """Return the recorded jobs in order, the first at 0; ReplayError."""
    reader = csv.DictReader(lines)
    try:
        if "arrival_s" not in (reader.fieldnames or ()):
            raise ReplayError("line 1 names no column arrival_s: the file begins with a line of column names")
        arrivals = [_arrival(row, reader.line_num) for row in reader]
    except csv.Error as error:
        raise ReplayError(f"line {reader.line_num} is no CSV: {error}") from None
    if not arrivals:
        raise ReplayError("there is no job after line 1")
    return from_the_start(arrivals)


def _arrival(row: dict[str, str], line: int) -> Arrival:
    try:
        at_s, priority = float(row["arrival_s"]), int(row.get("priority") or DEFAULT)
        broker_level(priority)  # ValueError outside 0 to 9
        deadline_s = float(row["deadline_s"]) if row.get("deadline_s") else None
        client, version = int(row.get("client") or 0), int(row.get("version") or 0)
        size = max(1, int(row.get("size") or 1))
    except (ValueError, TypeError) as error:
        raise ReplayError(f"line {line} is no job: {error}") from None
    if not isfinite(at_s) or (deadline_s is not None and not 0.0 < deadline_s < float("inf")):
        raise ReplayError(f"line {line} is no job: arrival_s must be a number, deadline_s one above 0")
    return Arrival(at_s, size, priority, client, version, deadline_s)


def from_the_start(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Return recorded jobs in order of time, the first at 0."""
    ordered = sorted(arrivals, key=lambda arrival: arrival.at_s)
    first_s = ordered[0].at_s
    return [
        Arrival(a.at_s - first_s, a.size, a.priority, a.client, a.version, a.deadline_in_s) for a in ordered
    ]
