"""Panels of a dashboard, and the JSON that Grafana reads them from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from inference_site.watching.queries import Query

SOURCE = {"type": "prometheus", "uid": "inference"}  # as compose/grafana/provisioning names it
COLUMNS, WIDTH, HEIGHT = 3, 8, 8


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart over time, in one of Grafana's units; `note` says what is not plain from the title."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    note: str
    stacked: bool


def panel(unit: str, title: str, *queries: Query, note: str = "", stacked: bool = False) -> Panel:
    """Return a panel."""
    return Panel(title, unit, queries, note, stacked)


Make = Callable[..., Panel]
seconds: Make = partial(panel, "s")
each_second: Make = partial(panel, "cps")
share: Make = partial(panel, "percentunit")
count: Make = partial(panel, "short")
in_bytes: Make = partial(panel, "bytes")
watts: Make = partial(panel, "watt")
celsius: Make = partial(panel, "celsius")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels, three beside each other; `by_model` lets a person choose models."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    by_model: bool = False

    def document(self) -> dict[str, Any]:
        """Return what Grafana reads."""
        return {
            "uid": f"inference-{self.name}",
            "title": self.title,
            "tags": ["inference"],
            "schemaVersion": 39,
            "editable": False,
            "timezone": "utc",
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "links": [{"type": "dashboards", "tags": ["inference"], "title": "Boards", "keepTime": True}],
            "templating": {"list": [_MODELS] if self.by_model else []},
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[dict[str, Any]]:
        for index, item in enumerate(self.panels):
            row, column = divmod(index, COLUMNS)
            place = {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield {"id": index + 1, "gridPos": place, **_panel(item)}


_MODELS = {
    "name": "model",
    "label": "Model",
    "type": "query",
    "datasource": SOURCE,
    "query": {"query": "label_values(model:inference_queue_jobs:sum, model)", "refId": "models"},
    "refresh": 2,
    "sort": 1,
    "multi": True,
    "includeAll": True,
    "allValue": ".*",
    "current": {"text": "All", "value": "$__all"},
}


def _panel(panel: Panel) -> dict[str, Any]:
    stacking = {"mode": "normal" if panel.stacked else "none"}
    lines = {"fillOpacity": 10, "showPoints": "never", "stacking": stacking}
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.note,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": lines}, "overrides": []},
        "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query.expr, "legendFormat": query.legend}
            for index, query in enumerate(panel.queries)
        ],
    }
