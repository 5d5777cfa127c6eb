"""What this worker has sampled, by version and hour, until it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from jobs.core.drift.field_names import Value
from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.sketch_rows import SketchRow

LONGEST_WAIT = timedelta(hours=24)  # what could not be stored for so long is dropped


class HourSketches:
    """The sketches of the current hour, and of earlier ones that are not stored yet; of one thread."""

    def __init__(self) -> None:
        self._hours: dict[tuple[int, datetime], dict[str, FieldSketch]] = {}
        self._changed = set[tuple[int, datetime]]()

    def add(self, version: int, hour: datetime, values: Mapping[str, Value]) -> None:
        """Add the values of one job."""
        fields = self._hours.setdefault((version, hour), {})
        for field, value in values.items():
            if field not in fields:
                fields[field] = FieldSketch(field)
            fields[field].add(value)
        self._changed.add((version, hour))

    def rows(self) -> list[SketchRow]:
        """Return the rows of all hours that changed since they were stored."""
        return [
            SketchRow(version, hour, field, sketch.n, sketch.missing, sketch.body())
            for version, hour in sorted(self._changed)
            for field, sketch in self._hours[version, hour].items()
        ]

    def stored(self, now_hour: datetime) -> None:
        """Forget what was stored of hours before `now_hour`."""
        self._changed.clear()
        self._keep({key for key in self._hours if key[1] >= now_hour})

    def drop_old(self, now_hour: datetime) -> None:
        """Drop what could not be stored for a day."""
        self._keep({key for key in self._hours if key[1] >= now_hour - LONGEST_WAIT})

    def _keep(self, keys: set[tuple[int, datetime]]) -> None:
        self._hours = {key: fields for key, fields in self._hours.items() if key in keys}
        self._changed &= keys
