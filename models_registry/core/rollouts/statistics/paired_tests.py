"""The tests of duels, in which both versions run the same inputs: coins, of which counts say everything."""

from __future__ import annotations

from math import inf, log, log1p

from models_registry.core.rollouts.statistics.mixture import MOST_LOG_E, e_value, log_mixture

COINS = (0.6, 0.75, 0.9, 0.99)
_TIMES = (1.1, 1.25, 1.5, 2.0, 4.0, 10.0)  # as many differences as are allowed


def coin_e(against: int, in_favour: int) -> float:
    """Return the e-value against a fair coin of pairs that differ, of which `against` speak against us."""
    logs = [against * log(2 * coin) + in_favour * log(2 * (1 - coin)) for coin in COINS]
    return e_value(log_mixture(logs, [1 / len(COINS)] * len(COINS)))


def excess_e(hits: int, trials: int, most: float) -> float:
    """Return the e-value against "at most the part `most` of the trials hits", from 0 to below 1."""
    if most <= 0.0:
        return e_value(MOST_LOG_E) if hits else 1.0
    logs = [_log_likelihood_ratio(hits, trials, most, min(times * most, (1 + most) / 2)) for times in _TIMES]
    return e_value(log_mixture(logs, [1 / len(_TIMES)] * len(_TIMES)))


def _log_likelihood_ratio(hits: int, trials: int, most: float, part: float) -> float:
    ratio = log(part / most) if part > 0.0 else -inf
    return hits * ratio + (trials - hits) * (log1p(-part) - log1p(-most))
