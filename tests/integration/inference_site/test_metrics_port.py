"""Every process has a page of metrics on METRICS_PORT, of a web server's processes one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from django.utils import timezone

from inference_site.stack.leash import death_words
from inference_site.stack.ports import LOOPBACK, free_ports
from inference_site.stack.services import PROJECT
from jobs.models import QueueStanding
from tests.support.wait import wait_until

CELERY = (sys.executable, "-m", "celery", "-A", "inference_site")
CPU_WORKER = (
    *CELERY,
    "worker",
    "-Q",
    "cpu,webhooks",
    "-n",
    "cpu-8@%h",
    "--pool",
    "threads",
    "--without-mingle",
)
GRANIAN = (sys.executable, "-m", "granian", "--interface", "asgi", "--host", LOOPBACK, "--no-ws")
WORKERS = (
    "--workers",
    "2",
    "--respawn-failed-workers",
    "--workers-kill-timeout",
    "8",
    "inference_site.asgi:application",
)


@contextmanager
def process(*words: str, port: int, **env: str) -> Iterator[psutil.Process]:
    started = subprocess.Popen(
        [*death_words(signal.SIGKILL), *words],
        env=os.environ | {"METRICS_PORT": f"{port}"} | env,
        cwd=PROJECT,
    )
    try:
        yield psutil.Process(started.pid)
    finally:
        children = psutil.Process(started.pid).children(recursive=True)
        started.terminate()
        try:
            started.wait(30)
        finally:
            started.kill()
            for child in children:  # of a server that is killed they would go on
                with suppress(psutil.NoSuchProcess):
                    child.kill()


def metrics(port: int) -> str:
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/metrics", trust_env=False).raise_for_status().text
    except httpx.TransportError:
        return ""


@pytest.mark.parametrize("words", [CPU_WORKER, (*CELERY, "beat", "--pidfile", "")], ids=["cpu", "beat"])
def test_the_cpu_worker_and_beat_export_what_they_count_and_what_the_surveyor_counted(
    words: tuple[str, ...], db: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    fresh_at = timezone.now() + timedelta(hours=1)  # however long the process takes to start
    QueueStanding.objects.create(model="echo", waiting=[2] * 10, head_age_s=[1.0] * 10, counted_at=fresh_at)
    with process(*words, port=port, HEALTH_DIR=str(tmp_path)):
        text = wait_until(lambda: metrics(port))
    for name in (
        "inference_retention_last_timestamp_seconds",
        "inference_webhook_seconds_count",
        "inference_beat_last_timestamp_seconds",
    ):
        assert f"\n{name} " in text
    assert "\nprocess_resident_memory_bytes " in text
    assert 'inference_queue_jobs{model="echo",priority="9"} 2.0' in text


def test_flower_exports_what_the_system_knows_of_it_and_needs_no_database(db: str) -> None:
    port, flower = free_ports(2)
    words = (sys.executable, "-m", "inference_site.viewer.serve_events", f"--port={flower}")
    env = {"FLOWER_BASIC_AUTH": "a:b", "DATABASE_URL": "", "SECRET_KEY": ""}
    with process(*words, port=port, **env):
        text = wait_until(lambda: metrics(port))
    assert "\nprocess_resident_memory_bytes " in text
    assert "\ninference_build_info{" in text
    assert "inference_queue_jobs" not in text


def test_of_a_web_server_s_processes_one_serves_the_metrics_of_all_and_another_takes_over(
    db: str, tmp_path: Path
) -> None:
    api, port = free_ports(2)
    words = (*GRANIAN, "--port", str(api), *WORKERS)
    with process(*words, port=port, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) as server:
        wait_until(lambda: metrics(port).count("\nprocess_resident_memory_bytes{") == 2)
        assert httpx.get(f"http://{LOOPBACK}:{api}/metrics", trust_env=False).status_code == 404
        serving = wait_until(lambda: listener(server, port))
        serving.kill()
        wait_until(lambda: (other := listener(server, port)) is not None and other != serving)
        assert "inference_messages_newer_total" in wait_until(lambda: metrics(port))


def listener(server: psutil.Process, port: int) -> psutil.Process | None:
    """Return the process of the server that listens on the port."""
    for child in server.children(recursive=True):
        try:
            sockets = child.net_connections("tcp")
        except psutil.Error:
            continue
        if any(one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in sockets):
            return child
    return None
