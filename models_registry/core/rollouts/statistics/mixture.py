"""Mixtures of e-values: an average of e-values is one, so that a test need not know how much worse is."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

MOST_LOG_E = 600.0  # e^600 is a number of JSON; more says no more


def log_mixture(logs: Sequence[float], weights: Sequence[float]) -> float:
    """Return the log of the weighted mean of e-values, given as logs; the weights add up to 1."""
    top = max(logs)
    return top + log(sum(weight * exp(x - top) for x, weight in zip(logs, weights, strict=True)))


def e_value(log_e: float) -> float:
    """Return the e-value of its log, at most e^600."""
    return exp(min(log_e, MOST_LOG_E))
