"""The form in which an answer carries a job: JSON, or of an output of bytes these bytes alone.

`Accept` decides, and where it leaves the choice to the server, the form that the job asked for. A job without
an output of bytes is always JSON.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final, NamedTuple

from jobs.core.errors import NotAcceptableError
from jobs.core.payloads.stored_output import NPY, OutputForm, ShownBytes, view_json
from jobs.services.reads.job_views import View
from models_registry.core.output import OCTETS

JSON: Final = "application/json"
ANY: Final = frozenset({"*/*", "application/*"})
MOST_CHARS = 4_096  # of a header `Accept`: a longer one leaves the choice to the server
_ENDINGS = {NPY: ".npy", "image/png": ".png", "image/jpeg": ".jpg", "audio/wav": ".wav"}
Bytes = tuple[bytes, str]


class JobBody(NamedTuple):
    """The body of an answer with one job, and the headers that belong to it."""

    body: bytes
    headers: dict[str, str]


def job_body(view: View, accept: str, *, strict: bool = True) -> JobBody:
    """Return a job as `accept`, the header of a call, asks for it.

    NotAcceptableError, if `strict`, where the header asks for bytes that this output cannot be.
    """
    output = view.get("output")
    ranges = _ranges(accept)
    if isinstance(output, ShownBytes):
        for wanted in ranges or ("*/*",):
            if wanted in {JSON, *ANY} and not _own(output, wanted):
                return _as_json(view)
            if body := _own(output, wanted) or _bytes(output, wanted):
                return _as_bytes(view, output, *body)
    if strict and "output" in view and _only_bytes(ranges):
        raise NotAcceptableError
    return _as_json(view)


def is_slow(view: View) -> bool:
    """Return whether writing the view takes too long for an event loop."""
    output = view.get("output")
    return isinstance(output, ShownBytes) and output.is_large


def _own(output: ShownBytes, wanted: str) -> Bytes | None:
    """Return the output in the form that its job asked for, where the call leaves that open."""
    if wanted not in ANY:
        return None
    raw = output.in_form(OutputForm.RAW) if output.form is OutputForm.NPY else None
    return output.in_form(output.form) or raw


def _bytes(output: ShownBytes, wanted: str) -> Bytes | None:
    if wanted == NPY:
        return output.in_form(OutputForm.NPY)
    media_type = output.output.media_type
    raw = output.in_form(OutputForm.RAW) if wanted == OCTETS or _covers(wanted, media_type) else None
    return (raw[0], OCTETS) if raw and not _covers(wanted, media_type) else raw


def _only_bytes(ranges: tuple[str, ...]) -> bool:
    """Return whether a call asks for bytes and would not take JSON; other odd headers mean JSON."""
    if not {NPY, OCTETS} & set(ranges):
        return False
    return not any(_covers(wanted, JSON) for wanted in ranges)


def _covers(wanted: str, media_type: str) -> bool:
    """Return whether a range of media types holds this one."""
    return wanted in {media_type, "*/*"} or (wanted.endswith("/*") and media_type.startswith(wanted[:-1]))


@lru_cache(maxsize=256)
def _ranges(accept: str) -> tuple[str, ...]:
    """Return the media types of a header `Accept`, the most wanted first.

    Read here and not by Django: it raises on some parameters and takes 0.1 s for others, and this runs on the
    event loop, for jobs that are stored already.
    """
    parts = accept.split(",") if len(accept) <= MOST_CHARS else ()
    ranges = [_range(part) for part in parts if part.strip()]
    ranges.sort(key=lambda one: (-one.quality, one.media_type.count("*"), not one.has_parameters))
    return tuple(one.media_type for one in ranges if one.quality > 0)


class _Range(NamedTuple):
    media_type: str
    quality: float
    has_parameters: bool


def _range(part: str) -> _Range:
    kind, *parameters = (field.strip() for field in part.lower().split(";"))
    main, _, sub = kind.partition("/")
    named = dict(map(_parameter, filter(None, parameters)))
    return _Range(f"{main}/{sub}", _quality(named.pop("q", "1")), bool(named))


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip(' "')


def _quality(text: str) -> float:
    """Return a range's weight; 1 for what is none."""
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return quality if 0 <= quality <= 1 else 1.0


def _as_json(view: View) -> JobBody:
    return JobBody(view_json(view), {"Content-Type": JSON})


def _as_bytes(view: View, output: ShownBytes, body: bytes, media_type: str) -> JobBody:
    name = f"{view['id']}{_ENDINGS.get(media_type, '.bin')}"
    return JobBody(
        body,
        {
            "Content-Type": media_type,
            # A model must not show a page of its own under this host's name.
            "Content-Disposition": f'attachment; filename="{name}"',
            "Output-Meta": json.dumps(dict(output.output.meta), separators=(",", ":")),
            "Job-Id": str(view["id"]),
        },
    )
