"""Semantic search over embeddings by the cosine of two vectors, without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import nlargest
from math import hypot
from operator import mul

Vector = Sequence[float]


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of the angle between two vectors of one length, neither of them zero."""
    product: float = sum(map(mul, one, other))
    return product / (hypot(*one) * hypot(*other))


def closest(query: Vector, corpus: Mapping[str, Vector], *, count: int) -> list[tuple[float, str]]:
    """Return the `count` texts with the largest cosine to the query, best first."""
    return nlargest(count, ((cosine(query, vector), text) for text, vector in corpus.items()))
