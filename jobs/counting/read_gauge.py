"""Gauges that no process counts: they are read from where the truth is when a page is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client.metrics_core import GaugeMetricFamily


class ReadGauge(NamedTuple):
    """Name, meaning and labels of such a gauge."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    def family(self, values: Iterable[tuple[tuple[str, ...], float | None]]) -> GaugeMetricFamily:
        """Return its part of a page: values by labels; None, which is unknown, is left out."""
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, value in values:
            if value is not None:
                family.add_metric(labels, value)
        return family
