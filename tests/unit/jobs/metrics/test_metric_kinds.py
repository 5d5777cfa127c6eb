"""The catalogue: what it holds is named alike, documented, counted somewhere, and bounded."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from jobs import metrics
from jobs.counting.read_gauge import ReadGauge
from jobs.metrics.metric_kinds import CATALOGUE, MetricEntry, counter
from tests.support.documents import APPS, ROOT, page

NAME = re.compile(r"inference_[a-z]+(_[a-z]+)*")
BASE_UNITS = ("seconds", "bytes", "ratio", "celsius", "watts")
NOT_BASE = re.compile(r"_(ms|milliseconds|minutes|hours|percent|mib|kb|mb)(_|$)")
KINDS = (MetricWrapperBase, ReadGauge)
FOREIGN = ("python_", "process_", "flower_")  # Flower makes its own where a test imports it
ATTRIBUTES = {name: value for name, value in vars(metrics).items() if isinstance(value, KINDS)}


def full_name(metric: MetricWrapperBase | ReadGauge) -> str:
    if isinstance(metric, ReadGauge):
        return metric.name
    return f"{metric._name}_total" if metric._type == "counter" else metric._name


def test_every_metric_of_the_process_that_is_ours_is_in_the_catalogue() -> None:
    ours = {full_name(metric) for metric in ATTRIBUTES.values()}
    assert ours == set(CATALOGUE)
    foreign = {family.name for family in REGISTRY.collect()} - {name.removesuffix("_total") for name in ours}
    assert {name for name in foreign if not name.startswith(FOREIGN)} == set()


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_a_name_has_the_prefix_and_its_unit(entry: MetricEntry) -> None:
    assert NAME.fullmatch(entry.name)
    assert not NOT_BASE.search(entry.name)
    assert (entry.kind == "counter") == entry.name.endswith("_total")
    assert entry.kind != "histogram" or entry.unit
    assert entry.meaning.endswith(".")
    assert not {"id", "job", "batch", "fingerprint", "worker", "queue"} & set(entry.labels)


def test_a_name_stands_once_and_begins_with_the_prefix() -> None:
    with pytest.raises(ValueError, match="in the catalogue"):
        counter("inference_batches_total", "Again.")
    with pytest.raises(ValueError, match="does not begin"):
        counter("batches_total", "Of others.")


def source() -> str:
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    catalogue = ROOT / "jobs/metrics"
    return "\n".join(path.read_text() for path in paths if catalogue not in path.parents)


def test_every_metric_is_counted_somewhere() -> None:
    text = source()
    silent = [name for name in ATTRIBUTES if not re.search(rf"\b{name}\b\s*[.,)]", text)]
    assert silent == []


def test_no_metric_is_spelled_where_the_catalogue_does_not_name_it() -> None:
    known = {re.sub(r"_(bucket|count|sum)$", "", name) for name in CATALOGUE}
    spelled = re.compile(
        r"\binference_[a-z_]+_(?:total|seconds|bytes|ratio|jobs)\b(?!:)"
    )  # a rule has a colon
    for path in [*(ROOT / "compose").rglob("*.*"), *(ROOT / "inference_site").rglob("*.md")]:
        if path.suffix in {".yml", ".yaml", ".json", ".md"} and path.name != "decisions.md":
            assert set(spelled.findall(path.read_text())) - known == set(), path


def printed(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("metrics", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_and_the_documents_say_what_the_catalogue_says() -> None:
    header, _, *rows = printed("--markdown")
    section = page("operations").section("Metrics")
    assert [line for line in section.splitlines() if line.startswith("| `inference_")] == rows
    assert header in section
    assert len(rows) == len(CATALOGUE)
    plain = printed()
    assert len(plain) == len(CATALOGUE) + 1
    assert all(entry.meaning in "\n".join(plain) for entry in CATALOGUE.values())


def test_the_catalogue_is_small_enough_to_read() -> None:
    assert (
        max(len(path.read_text().splitlines()) for path in Path(metrics.__file__).parent.glob("*.py")) < 300
    )
