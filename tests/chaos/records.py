"""The history file: records, one JSON object a line, written and read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

COMPARED = "echo@compared"  # an alias whose rule has two arms
FINE, POISON, ANY = "fine", "poison", "any"  # how a job is expected to end: succeeded, dead, either


class Recorder:
    """Appends lines to a history file; each is complete on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._lock = Lock()

    def write(self, kind: str, **fields: Any) -> None:
        self.copy([{"at": time.time(), "kind": kind, **fields}])

    def accepted(self, ids: Sequence[str], expects: Sequence[str], *, model: str, hurried: bool) -> None:
        self.write("accepted", ids=ids, expects=expects, model=model, hurried=hurried)

    def copy(self, records: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(record) + "\n" for record in records)
        with self._lock:
            self._file.write(lines.encode())


def read(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield the records of several files, in the order of each; a line that was cut short ends its file."""
    for path in paths:
        with path.open() as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    break
