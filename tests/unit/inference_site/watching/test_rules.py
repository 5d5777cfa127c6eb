"""The rules of Prometheus under compose/, against their tests, runbooks, the catalogue and the services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from inference_site.watching.rule_check import FOLDER, rendered
from inference_site.watching.write_dashboards import DASHBOARDS
from jobs import metrics
from jobs.metrics.metric_kinds import CATALOGUE

COMPOSE = FOLDER.parent
NAME = re.compile(r"[a-zA-Z_:][\w:]*")
TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")
LABELS = re.compile(r"\boffset \w+|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
SELECTOR = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
OUTSIDE = re.compile(r"up|ALERTS|process_\w+|node_filesystem_(?:avail|size)_bytes")
BY = re.compile(r"\bby \(([^)]+)\)")
SCRAPED = {"instance", "job", "le"}
PARTS = ("", "_bucket", "_sum", "_count")
CALL = re.compile(r"[a-z_]+\s*\(")
WORDS = {"and", "bool", "or", "unless"}


def loaded(folder: str) -> Iterator[Any]:
    for path in sorted((FOLDER / folder).glob("*.yaml")):
        yield yaml.safe_load(path.read_text())


RULES: list[dict[str, Any]] = [
    rule for file in loaded("rules") for group in file["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDS = {rule["record"] for rule in RULES if "record" in rule}
CASES: list[dict[str, Any]] = [
    case for file in loaded("tests") for test in file["tests"] for case in test["alert_rule_test"]
]
ASKED = [
    *(rule["expr"] for rule in RULES),
    *(query.plain("1m") for board in DASHBOARDS for panel in board.panels for query in panel.queries),
]


def exported() -> set[str]:
    """Return the names that pages of metrics can have, by the catalogue that the command prints."""
    out = StringIO()
    call_command("metrics", stdout=out)
    names = {line.split()[0] for line in out.getvalue().splitlines() if line.startswith("inference_")}
    return {name + part for name in names for part in PARTS}


def metrics_in(expr: str) -> set[str]:
    """Return the names of metrics and records in an expression."""
    for outer in (TEXT, SELECTOR, LABELS, CALL):
        expr = outer.sub(" ", expr)
    return {name for name in NAME.findall(expr) if not OUTSIDE.fullmatch(name)} - WORDS


def test_names_are_told_from_what_stands_around_them() -> None:
    expr = (
        'sum by (model) (rate(a_total{x="b"}[5m])) / on (model) group_left (c) m:d:max > 6 * 0.05 and up == 1'
    )
    assert metrics_in(expr) == {"a_total", "m:d:max"}


def test_every_metric_that_is_asked_for_is_in_the_catalogue_or_recorded() -> None:
    names = exported() | RECORDS
    strange = {expr: metrics_in(expr) - names for expr in ASKED}
    assert {expr: unknown for expr, unknown in strange.items() if unknown} == {}


def test_every_label_that_is_asked_for_is_one_of_the_metric_or_of_the_scrape() -> None:
    labels = {name + part: {*entry.labels} for name, entry in CATALOGUE.items() for part in PARTS}
    strange = {}
    for expr in ASKED:
        names = metrics_in(expr)
        if names and not any(":" in name for name in names):
            known = set[str]().union(SCRAPED, *(labels[name] for name in names))
            asked = {label.strip() for by in BY.findall(expr) for label in by.split(",")}
            strange[expr] = asked - known
    assert {expr: unknown for expr, unknown in strange.items() if unknown} == {}


def test_every_record_is_read() -> None:
    assert RECORDS - {name for expr in ASKED for name in metrics_in(expr)} == set()


def test_every_alert_has_a_section_in_the_runbooks_and_every_section_an_alert() -> None:
    sections = re.findall(r"^## (.+)$", (COMPOSE / "RUNBOOKS.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)


def test_every_section_says_what_it_means_where_to_look_and_what_to_do() -> None:
    _, *sections = (COMPOSE / "RUNBOOKS.md").read_text().split("\n## ")
    words = ("**Means.**", "**Look.**", "**Do.**")
    assert [text.split("\n")[0] for text in sections if not all(word in text for word in words)] == []


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_test_that_fires_it_and_one_that_stays_silent(name: str) -> None:
    expected = [bool(case.get("exp_alerts")) for case in CASES if case["alertname"] == name]
    assert {*expected} == {True, False}


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_urgent_it_is_and_what_happens(name: str) -> None:
    assert ALERTS[name]["labels"]["severity"] in {"page", "ticket"}
    assert ALERTS[name]["annotations"]["summary"]


def test_the_edges_of_the_goals_are_those_of_the_histogram() -> None:
    edges = [rule["labels"]["le"] for rule in RULES if rule.get("record", "").endswith(":edge")]
    assert [float(edge) for edge in edges] == metrics.JOB_TIME._upper_bounds
    assert edges[-1] == "+Inf"
    assert all(edge == str(float(edge)) for edge in edges[:-1])  # as pages spell them


def test_every_process_that_exports_is_scraped_and_missed(tmp_path: Path) -> None:
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    jobs = yaml.safe_load(rendered(tmp_path, FOLDER / "rules").read_text())["scrape_configs"]
    found = {job["job_name"]: job["dns_sd_configs"] for job in jobs if "dns_sd_configs" in job}
    exporting = {
        name
        for name, service in services.items()
        if "METRICS_PORT" in service.get("environment", ()) and "healthcheck" in service
    }
    (worker,) = found.pop("autoscaled-worker")  # a process of the autoscaler's container
    assert (worker["names"], worker["port"]) == (["autoscale"], found["autoscale"][0]["port"] + 1)
    assert found.keys() == exporting
    for name, (where,) in found.items():
        assert where["names"] == [name]
        assert str(where["port"]) == services[name]["environment"]["METRICS_PORT"]
    assert {*re.findall(r'absent\(up\{job="([\w-]+)"', ALERTS["TargetDown"]["expr"])} == exporting - {
        "autoscale"
    }


def test_the_pages_beside_the_stack_mount_what_is_there(tmp_path: Path) -> None:
    made = rendered(tmp_path, FOLDER / "rules").parents[1]
    text = (COMPOSE / "watching.yaml").read_text()
    places = re.findall(r"\./([\w/]+):", text)
    mounted = {(made.parent if place.startswith("rendered/") else COMPOSE) / place for place in places}
    assert mounted
    assert [str(path) for path in mounted if not Path(path).is_dir()] == []
