"""Renders values as escaped HTML of bounded size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

SHOWN_BYTES = 16_384
_NUMBERS = re.compile(r"\[\s+((?:-?[\d.eE+-]+,\s+)*-?[\d.eE+-]+)\s+\]")
_BOX = (
    '<pre style="margin:0;max-height:28em;max-width:70em;overflow:auto;white-space:pre-wrap;'
    "overflow-wrap:anywhere;padding:.6em;border:1px solid var(--hairline-color);"
    'background:var(--darkened-bg);font-size:.8rem">{}</pre>'
)


def box(text: str) -> SafeString:
    """Return `text` unchanged in a scrolling box; characters that UTF-8 cannot encode become escapes."""
    return format_html(_BOX, text.encode("utf-8", "backslashreplace").decode("utf-8"))


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


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString:
    """Return an HTML table; cells that are not SafeString are escaped."""
    head = format_html_join("", "<th>{}</th>", ((name,) for name in headers))
    body = format_html_join("", "<tr>{}</tr>", ((_cells(row),) for row in rows))
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


def _cells(row: Sequence[object]) -> SafeString:
    return format_html_join("", "<td>{}</td>", ((cell,) for cell in row))
