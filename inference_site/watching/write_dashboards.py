"""`python -m inference_site.watching.write_dashboards` writes the files that Grafana reads."""

from __future__ import annotations

import json

from inference_site.watching.job_boards import CLIENTS, MODEL, OVERVIEW
from inference_site.watching.panels import Dashboard
from inference_site.watching.prometheus_tools import PROJECT
from inference_site.watching.system_boards import DATABASE, RELAY, WORKER

DASHBOARDS = (OVERVIEW, MODEL, WORKER, RELAY, DATABASE, CLIENTS)
FOLDER = PROJECT / "compose" / "grafana" / "dashboards"


def text_of(dashboard: Dashboard) -> str:
    """Return the file of a dashboard, with a line for each panel."""
    document = dashboard.document()
    panels = ",\n".join(map(json.dumps, document.pop("panels")))
    return json.dumps(document, indent=1).removesuffix("\n}") + f',\n "panels": [\n{panels}\n ]\n}}\n'


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.name}.json").write_text(text_of(dashboard))


if __name__ == "__main__":
    main()
