"""The queries of compose/keda on a real Postgres, with the rights given there, and a real Prometheus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg
import pytest
import yaml
from django.utils import timezone
from prometheus_client import CollectorRegistry, start_http_server
from psycopg.conninfo import make_conninfo

from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.stack.services import PROJECT
from inference_site.watching.prometheus_tools import find_tool
from jobs.exporting.survey_collector import SurveyCollector
from jobs.models import QueueStanding
from tests.support.wait import wait_until

KEDA = PROJECT / "compose" / "keda"
ROLE, PASSWORD = "inference_scaler", "a-password-of-tests"


def trigger(name: str) -> dict[str, Any]:
    objects = yaml.safe_load_all((KEDA / f"scaledobject-{name}.yaml").read_text())
    (scaled,) = [one for one in objects if one["kind"] == "ScaledObject"]
    (found,) = scaled["spec"]["triggers"]
    assert found["type"] == name
    metadata: dict[str, Any] = found["metadata"]
    return metadata


def need(load: float, *, queue: str = "minilm", age_s: float = 0.0) -> None:
    QueueStanding.objects.update_or_create(
        model=queue,
        defaults={
            "waiting": [0] * 10, "head_age_s": [0.0] * 10, "workers_wanted": ceil(load), "workers_load": load,
            "counted_at": timezone.now() - timedelta(seconds=age_s),
        },
    )  # fmt: skip


@pytest.fixture
def scaler(db: str) -> Iterator[psycopg.Connection]:
    """Return a session of the role that scaler-role.sql makes."""
    lines = (KEDA / "scaler-role.sql").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("\\"))  # what only psql reads
    script = text.replace(":'password'", f"'{PASSWORD}'")
    with psycopg.connect(db, autocommit=True) as owner:
        database = owner.info.dbname
        owner.execute(f'REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC'.encode())  # as in production
        owner.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        owner.execute(script.replace(':"DBNAME"', f'"{database}"').encode())
        try:
            with psycopg.connect(make_conninfo(db, user=ROLE, password=PASSWORD), autocommit=True) as session:
                yield session
        finally:
            owner.execute(f"DROP OWNED BY {ROLE}".encode())
            owner.execute(f"DROP ROLE {ROLE}".encode())


def test_keda_s_role_reads_the_number_and_nothing_else(scaler: psycopg.Connection) -> None:
    metadata = trigger("postgresql")
    need(3)
    assert scaler.execute(metadata["query"]).fetchall() == [(3,)]
    assert metadata["userName"] == ROLE
    for forbidden in (
        "SELECT by_client FROM jobs_queuestanding",
        "SELECT id FROM jobs_job",
        "SELECT host FROM jobs_autoscaler",
        "UPDATE jobs_queuestanding SET workers_wanted = 9",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            scaler.execute(forbidden.encode())


def test_of_an_old_count_keda_gets_no_row_which_it_takes_as_an_error(scaler: psycopg.Connection) -> None:
    need(0, age_s=11.0)
    need(2, queue="minilm.slow")
    assert scaler.execute(trigger("postgresql")["query"]).fetchall() == []


def test_jobs_that_wait_in_the_slow_lane_alone_start_workers(scaler: psycopg.Connection) -> None:
    query = trigger("postgresql")["query"]
    need(0)
    assert scaler.execute(query).fetchall() == [(0,)]
    need(1.5, queue="minilm.slow")
    need(9, queue="another.slow")
    assert scaler.execute(query).fetchall() == [(2,)]
    need(0.4)
    assert scaler.execute(query).fetchall() == [(2,)], "1.9 in both"


@pytest.fixture
def page(db: str) -> Iterator[int]:
    """Serve a page of metrics as every process does; return its port."""
    registry = CollectorRegistry()
    registry.register(SurveyCollector())
    port = free_port()
    server, thread = start_http_server(port, addr=LOOPBACK, registry=registry)
    yield port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def prometheus(page: int, tmp_path: Path) -> Iterator[str]:
    """Run a Prometheus that scrapes the page twice a second; return its URL."""
    config = {
        "global": {"scrape_interval": "500ms"},
        "scrape_configs": [{"job_name": "web", "static_configs": [{"targets": [f"{LOOPBACK}:{page}"]}]}],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"{LOOPBACK}:{free_port()}"
    words = [
        str(find_tool("prometheus")), f"--config.file={tmp_path}/prometheus.yaml",
        f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={address}",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def values(url: str, query: str) -> list[float]:
    """Return what an instant query finds, as KEDA asks for it."""
    try:
        with urlopen(f"{url}/api/v1/query?{urlencode({'query': query})}", timeout=5) as answer:  # noqa: S310  # this test's own server
            return [float(row["value"][1]) for row in json.load(answer)["data"]["result"]]
    except URLError:  # it starts
        return []


def test_prometheus_has_the_number_and_none_of_an_old_count(prometheus: str) -> None:
    metadata = trigger("prometheus")
    assert metadata["ignoreNullValues"] == "false"
    need(4)
    wait_until(lambda: values(prometheus, metadata["query"]) == [4.0])
    need(3, queue="minilm.slow")
    wait_until(lambda: values(prometheus, metadata["query"]) == [7.0])
    need(4, age_s=30.0)
    need(3, queue="minilm.slow", age_s=30.0)
    wait_until(lambda: values(prometheus, metadata["query"]) == [])
