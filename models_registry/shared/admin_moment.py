"""The one style of times on the admin's pages: UTC to the millisecond, and for machines in a <time>."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_LARGE = 2  # from so many of a unit on it is used: 90 s says more than 1 min


def moment(at: datetime) -> SafeString:
    """Return a time, as `2026-11-29 15:07:55.123 UTC`."""
    text = at.astimezone(UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")
    return format_html('<time datetime="{}Z">{} UTC</time>', text.replace(" ", "T"), text)


def aged(at: datetime) -> SafeString:
    """Return a time and how long ago it was, which the page's script keeps true."""
    return format_html(
        '{} <span class="age">{}</span>', moment(at), age((timezone.now() - at).total_seconds())
    )


def age(seconds: float) -> str:
    """Return seconds as `3 min ago`, or of a time to come as `in 3 min`."""
    size = abs(round(seconds))
    text = next((f"{size // of} {unit}" for unit, of in _UNITS if size >= _LARGE * of), f"{size} s")
    return f"{text} ago" if seconds >= 0 else f"in {text}"
