"""The log of a served web process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx

LOGS = WeakKeyDictionary[httpx.Client, Path]()  # the log's path, by the client of the server


def records_of(server: httpx.Client, **fields: object) -> list[dict[str, Any]]:
    """Return the records with these fields in the log of a server that logs JSON; each line is one."""
    lines = [line for line in LOGS[server].read_text().split("\n") if "[INFO]" not in line]
    records = [json.loads(line) for line in lines if line]
    return [record for record in records if all(record.get(name) == value for name, value in fields.items())]
