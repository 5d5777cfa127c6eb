"""Values that go missing or change their kind: counted as two labels, and compared as all labels are.

Those that are left may look as before, so a field alone says nothing of them. A value of another kind, as a
number where texts were, is missing in the field that was watched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from jobs.core.drift.counted_labels import encoded
from jobs.core.drift.field_names import MISSING, missing_of, part_of
from jobs.services.drift.field_sketch import FieldSketch

THERE: Final = "there"
GONE: Final = "missing"
Fields = Mapping[str, FieldSketch]


class ComparedFields(NamedTuple):
    """The fields of an hour and of the reference, both with the values that are missing."""

    hour: dict[str, FieldSketch]
    reference: dict[str, FieldSketch]


def with_missing(hour: Fields, reference: Fields) -> ComparedFields:
    """Return both, with how many jobs have no value of a field of the reference, where there are any."""
    watched = [field for field in reference if not field.startswith(MISSING)]
    ours, theirs = _counts(hour, watched), {**_counts(reference, watched), **_stored(reference)}
    shown = {name for name in ours if name in theirs and (_any_gone(ours[name]) or _any_gone(theirs[name]))}
    return ComparedFields(
        {**hour, **{name: ours[name] for name in sorted(shown)}},
        {**reference, **{name: theirs[name] for name in sorted(shown)}},
    )


def hours_with_missing(hours: Iterable[Fields]) -> list[Fields]:
    """Return the hours of which a reference is made, with what is missing of the fields that miss any."""
    parts = list(hours)
    watched = {field for part in parts for field in part}
    counts = [_counts(part, watched) for part in parts]
    gone = {name for each in counts for name, sketch in each.items() if _any_gone(sketch)}
    return [
        {**part, **{name: sketch for name, sketch in each.items() if name in gone}}
        for part, each in zip(parts, counts, strict=True)
    ]


def _counts(fields: Fields, watched: Iterable[str]) -> dict[str, FieldSketch]:
    """Return for each watched field how many jobs have a value of its kind, and how many have none."""
    jobs, counts = Counter[str](), dict[str, FieldSketch]()
    for field, sketch in fields.items():
        if (part := part_of(field)) is not None:
            jobs[part] += sketch.n + sketch.missing
    for field in watched:
        part = part_of(field)
        if part is None or not jobs[part]:
            continue
        there = fields[field].n if field in fields else 0
        made = {THERE: there, GONE: jobs[part] - there}
        counts[missing_of(field)] = sketch = FieldSketch(missing_of(field))
        sketch.merge(encoded({label: count for label, count in made.items() if count}), 0)
    return counts


def _stored(reference: Fields) -> dict[str, FieldSketch]:
    """Return what a reference knows of it, with how far its own hours are from the whole."""
    return {field: sketch for field, sketch in reference.items() if field.startswith(MISSING)}


def _any_gone(sketch: FieldSketch) -> bool:
    return GONE in sketch.labels()
