"""Renders values as escaped HTML of bounded size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from models_registry.shared.admin_moment import moment

NONE = "-"
SHOWN_BYTES = 16_384
_NUMBERS = re.compile(r"\[\s+((?:-?[\d.eE+-]+,\s+)*-?[\d.eE+-]+)\s+\]")


def box(text: str) -> SafeString:
    """Return `text` unchanged in a scrolling box; characters that UTF-8 cannot encode become escapes."""
    return format_html('<pre class="box" tabindex="0">{}</pre>', _encodable(text))


def bounded_text(text: str) -> SafeString:
    """Return `text` in a box, cut to its first 16 kB with a note of the full length."""
    if len(text) <= SHOWN_BYTES:
        return box(text)
    return box(f"{text[:SHOWN_BYTES]}\n… the first {SHOWN_BYTES:,} of {len(text):,} characters")


def bounded_json(head: bytes, total: int) -> SafeString:
    """Return JSON indented in a box; `head` unchanged where it is no JSON or not all of `total` bytes."""
    if total > len(head):
        text = head.decode("utf-8", "backslashreplace")
        return box(f"{text}\n… the first {len(head):,} of {total:,} bytes")
    try:
        return box(pretty(json.loads(head)))
    except (ValueError, RecursionError):
        return box(head.decode("utf-8", "backslashreplace"))


def pretty(value: object) -> str:
    """Return `value` as indented JSON, with lists of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda numbers: f"[{' '.join(numbers[1].split())}]", text)


def compact(value: object, most: int = 120) -> str:
    """Return the beginning of `value` as JSON on one line, for a cell; empty for an empty one."""
    text = _encodable(json.dumps(value, ensure_ascii=False)) if value else ""
    return text if len(text) <= most else f"{text[:most]}…"


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString:
    """Return an HTML table that scrolls by itself; cells that are not SafeString are escaped."""
    head = format_html_join("", "<th>{}</th>", ((name,) for name in headers))
    body = format_html_join("", "<tr>{}</tr>", ((_cells(row),) for row in rows))
    shown = "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>"
    return wide(format_html(shown, head, body))


def wide(content: SafeString) -> SafeString:
    """Return content that scrolls by itself where it is wider than the page."""
    return format_html('<div class="scroll" tabindex="0">{}</div>', content)


def _cells(row: Sequence[object]) -> SafeString:
    return format_html_join("", "<td>{}</td>", ((_cell(value),) for value in row))


def _cell(value: object) -> object:
    """Return a value as an operator reads it: Python's own spelling is none."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    return compact(value) or NONE if isinstance(value, dict | list) else value


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
