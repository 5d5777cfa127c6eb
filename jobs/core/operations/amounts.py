"""Amounts as the live page spells them: short, of even width, and a dash for what is unknown."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN = "-"
STEPS, STEP = ("B", "KiB", "MiB", "GiB", "TiB"), 1_024  # as --memory-budget and nvidia-smi count
THREE_DIGITS = 100
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def count(value: float | None) -> str:
    """Return a number of things."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def things(number: int, one: str, many: str = "") -> str:
    """Return a number with its words, which agree with it; `many` is `one` with an s, unless it is given."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def rate(per_s: float | None) -> str:
    """Return how many come a second."""
    if per_s is None:
        return UNKNOWN
    return f"{per_s:,.0f}/s" if per_s >= THREE_DIGITS or per_s == 0 else f"{per_s:,.1f}/s"


def mean(value: float | None) -> str:
    """Return an average number of things."""
    return UNKNOWN if value is None else f"{value:,.1f}"


def part(ratio: float | None) -> str:
    """Return a part of a whole in per cent; what is less than whole is never spelled 100 %."""
    if ratio is None:
        return UNKNOWN
    return f"{min(ratio * 100, 99.9):.1f} %" if ratio < 1 else f"{ratio * 100:.0f} %"


def span(value_s: float | None) -> str:
    """Return a time in its largest two units."""
    if value_s is None:
        return UNKNOWN
    if value_s < 1:
        return f"{value_s * 1000:,.0f} ms"
    if value_s < _MINUTE:
        return f"{value_s:.1f} s"
    whole = int(value_s)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY:,} d {whole % _DAY // _HOUR} h"


def spans(values_s: Sequence[float | None]) -> str:
    """Return several times in the unit of the longest, such as p50, p95 and p99 of one thing."""
    longest_s = max((value_s for value_s in values_s if value_s is not None), default=None)
    if longest_s is None:
        return UNKNOWN
    unit, unit_s = ("ms", 1e-3) if longest_s < 1 else ("s", 1.0) if longest_s < _MINUTE else ("min", 60.0)
    digits = 0 if unit == "ms" else 1
    texts = (UNKNOWN if value_s is None else f"{value_s / unit_s:,.{digits}f}" for value_s in values_s)
    return f"{' / '.join(texts)} {unit}"


def memory(used_bytes: int | None, total_bytes: int | None) -> str:
    """Return how much of a device's memory is used."""
    if used_bytes is None or total_bytes is None:
        return UNKNOWN
    return f"{volume(used_bytes)} of {volume(total_bytes)}"


def volume(number_bytes: int) -> str:
    """Return a number of bytes in its largest unit."""
    value, step = float(number_bytes), 0
    while value >= STEP and step < len(STEPS) - 1:
        value, step = value / STEP, step + 1
    return f"{value:,.1f} {STEPS[step]}" if step and value < THREE_DIGITS else f"{value:,.0f} {STEPS[step]}"
