"""The dashboards under compose/ are those of the code, and Grafana finds their data."""

from __future__ import annotations

import re

import pytest
import yaml

from inference_site.watching.panels import SOURCE, Dashboard
from inference_site.watching.write_dashboards import DASHBOARDS, FOLDER, text_of

every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)


@every_dashboard
def test_its_file_is_what_make_dashboards_writes(dashboard: Dashboard) -> None:
    assert (FOLDER / f"{dashboard.name}.json").read_text() == text_of(dashboard)


def test_there_are_no_other_files() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {dashboard.name for dashboard in DASHBOARDS}


def test_the_source_of_the_panels_is_the_provisioned_one() -> None:
    file = FOLDER.parent / "provisioning/datasources/prometheus.yaml"
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    assert {key: source[key] for key in SOURCE} == SOURCE


@every_dashboard
def test_panels_lie_beside_each_other_without_overlap(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in dashboard.document()["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert all(place["x"] + place["w"] <= 24 for place in places)


@every_dashboard
def test_a_page_offers_the_choice_that_its_expressions_use(dashboard: Dashboard) -> None:
    used = {name for panel in dashboard.panels for query in panel.queries for name in names_in(query.expr)}
    assert used - {"$__rate_interval"} == ({"$model"} if dashboard.by_model else set())


def names_in(text: str) -> list[str]:
    return re.findall(r"\$\w+", text)
