"""The expressions that dashboards ask Prometheus for."""

from __future__ import annotations

import re
from dataclasses import dataclass

CHOSEN = '{model=~"$model"}'  # the models that a person chose on the page
RATE = "$__rate_interval"  # Grafana's: four scrapes at least
_CHOICE = re.compile(r'=~"\$\w+"')


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and the name of each of its lines: `{{model}}` stands for the label's value."""

    expr: str
    legend: str

    def plain(self, rate: str) -> str:
        """Return the expression as Prometheus reads it: for all models, with rates over so long a time."""
        return _CHOICE.sub('=~".*"', self.expr).replace(RATE, rate)


def rate(counter: str, *labels: str, name: str = "") -> Query:
    """Ask for the events a second, by labels."""
    return Query(f"sum{_by(*labels)} (rate({counter}[{RATE}]))", name or _legend(*labels))


def quantile(part: float, histogram: str, *labels: str, where: str = "", over: str = RATE) -> Query:
    """Ask for a quantile of a histogram by labels, among the series that `where` selects."""
    buckets = f"rate({histogram}_bucket{where}[{over}])"
    text = f"histogram_quantile({part}, sum{_by('le', *labels)} ({buckets}))"
    return Query(text, " ".join(filter(None, (f"p{part * 100:g}", _legend(*labels)))))


def mean(histogram: str, *labels: str) -> Query:
    """Ask for the mean of a histogram by labels, of the chosen models."""
    total, number = (
        f"sum{_by(*labels)} (rate({histogram}_{end}{CHOSEN}[{RATE}]))" for end in ("sum", "count")
    )
    return Query(f"{total} / ({number} > 0)", _legend(*labels))


def biggest(gauge: str, *labels: str, name: str = "") -> Query:
    """Ask for the biggest value that any process shows, by labels."""
    return Query(f"max{_by(*labels)} ({gauge})", " ".join(filter(None, (_legend(*labels), name))))


def summed(gauge: str, *labels: str) -> Query:
    """Ask for the sum over all processes, by labels."""
    return Query(f"sum{_by(*labels)} ({gauge})", _legend(*labels))


def age(mark: str, name: str) -> Query:
    """Ask for the seconds since a mark that is a Unix time; 0 means: not yet in that process."""
    return Query(f"time() - max({mark} > 0)", name)


def _by(*labels: str) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _legend(*labels: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels)
