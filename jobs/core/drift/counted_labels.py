"""Labels counted by value: bounded, merged, and as a spread that two of them share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

import msgspec

from jobs.core.drift.drift_alarm import Spread

MOST_STORED = 200  # labels of a version, hour and worker
MOST_COMPARED = 50  # of the reference; all others are one
OTHER = "(other)"
_DECODER = msgspec.json.Decoder(dict[str, int])


def add_label(counts: Counter[str], label: str) -> None:
    """Count a label; where there are too many different ones, a new one counts as `(other)`."""
    counts[label if label in counts or len(counts) < MOST_STORED else OTHER] += 1


def merged(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Return the sum of counts."""
    whole = Counter[str]()
    for part in parts:
        whole.update(part)
    return whole


def compared_labels(reference: Mapping[str, int]) -> list[str]:
    """Return the labels that are compared by name, in a fixed order: the most frequent of the reference."""
    often = sorted(reference, key=lambda label: (-reference[label], label))
    return sorted(label for label in often[:MOST_COMPARED] if label != OTHER)


def label_spread(counts: Mapping[str, int], labels: Sequence[str]) -> Spread:
    """Return the share of the labels up to each of `labels`, in their order; the others come last."""
    n = sum(counts.values())
    shares = accumulate(counts.get(label, 0) / n for label in labels) if n else (0.0 for _ in labels)
    return Spread(n, [*shares])


def shown(counts: Mapping[str, int], most: int = MOST_COMPARED) -> dict[str, int]:
    """Return the most frequent labels with their counts, and the sum of the others as `(other)`."""
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = dict(top[:most])
    rest = sum(count for _, count in top[most:])
    return named | ({OTHER: named.get(OTHER, 0) + rest} if rest else {})


def encoded(counts: Mapping[str, int]) -> bytes:
    """Return counts as they are stored."""
    return msgspec.json.encode(counts)


def decoded(body: bytes) -> dict[str, int]:
    """Return stored counts; ValueError."""
    return _DECODER.decode(body)
