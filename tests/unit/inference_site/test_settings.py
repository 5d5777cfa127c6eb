"""The production settings, as `manage.py` and the servers see them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRODUCTION = {
    "DATABASE_URL": "postgresql://u:p@db/n",
    "BROKER_URL": "amqp://u:p@mq//",
    "SECRET_KEY": "kq0Zt3v-8yTn6mB1wR_5xL9cJ2hF7dGsPaEoUiYzWbQeXr4N-not-one-of-ours",
    "API_URL": "https://inference.example",
    "STREAM_URL": "https://stream.inference.example",
    "ALLOWED_HOSTS": "inference.example,stream.inference.example",
    "TRUSTED_PROXY_HOPS": "1",
    "ADMIN_TWO_FACTOR": "1",
    "DJANGO_SETTINGS_MODULE": "inference_site.settings",
}
ASK = """
import django; django.setup()
from django.http import HttpResponse
from django.test import RequestFactory
from django.core.handlers.wsgi import WSGIHandler
import inference_site.urls as urls
from django.urls import path
urls.urlpatterns.insert(0, path("admin/probe", lambda request: HttpResponse("here")))
for headers in ({}, {"HTTP_X_FORWARDED_PROTO": "https"}):
    answer = WSGIHandler().get_response(RequestFactory().get("/admin/probe", HTTP_HOST="%s", **headers))
    print(answer.status_code, answer.headers.get("Strict-Transport-Security"), answer.headers.get("Location"))
print(WSGIHandler().get_response(RequestFactory().get("/healthz", HTTP_HOST="10.1.2.3")).status_code)
"""


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], **PRODUCTION, **env}
    return subprocess.run(
        [sys.executable, *words], env=environ, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_deployment_check_finds_nothing_in_the_production_settings() -> None:
    ended = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert ended.returncode == 0, ended.stderr
    assert "no issues" in ended.stdout


@pytest.mark.parametrize(
    ("env", "warning"),
    [
        ({"API_URL": "http://inference.example"}, "SECURE_SSL_REDIRECT"),
        ({"STREAM_URL": "http://stream.inference.example"}, "STREAM_URL"),
        ({"TRUSTED_PROXY_HOPS": "0"}, "TRUSTED_PROXY_HOPS"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"DEBUG": "1"}, "DEBUG"),
        ({"ADMIN_TWO_FACTOR": "0"}, "ADMIN_TWO_FACTOR"),
    ],
)
def test_the_deployment_check_finds_unsafe_settings(env: dict[str, str], warning: str) -> None:
    ended = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **env)
    assert ended.returncode == 1
    assert warning in ended.stderr


def test_behind_https_the_admin_is_served_by_nothing_else_and_health_by_both() -> None:
    ended = run("-c", ASK % "inference.example")
    plain, secure, health = ended.stdout.splitlines() or [ended.stderr] * 3
    assert plain.split() == ["301", "None", "https://inference.example/admin/probe"]
    assert secure.startswith("200 max-age=31536000; includeSubDomains; preload")
    assert health == "200"


def test_on_loopback_without_https_nothing_is_redirected() -> None:
    local = {"API_URL": "http://127.0.0.1:8000", "STREAM_URL": "http://127.0.0.1:8001"}
    ended = run("-c", ASK % "localhost", ALLOWED_HOSTS="localhost", TRUSTED_PROXY_HOPS="0", **local)
    plain, claimed, _ = ended.stdout.splitlines() or [ended.stderr] * 3
    assert plain == claimed == "200 None None"


def test_an_untrusted_proxy_cannot_claim_https() -> None:
    ended = run("-c", ASK % "inference.example", TRUSTED_PROXY_HOPS="0")
    plain, claimed, _ = ended.stdout.splitlines() or [ended.stderr] * 3
    assert plain == claimed == "301 None https://inference.example/admin/probe"


LOADED = """
import sys
import inference_site.asgi
from django.urls import get_resolver
get_resolver().url_patterns
print(*(name for name in ("amqp", "kombu", "celery", "jobs.broker") if name in sys.modules))
"""


def test_a_web_process_loads_no_client_of_the_broker() -> None:
    ended = run("-c", LOADED)
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr


FROZEN = """
import gc, sys
import inference_site.asgi
print("jobs.api.endpoints" in sys.modules, gc.get_freeze_count() > 50_000)
"""


def test_a_web_process_has_loaded_its_calls_and_never_looks_through_what_it_loaded() -> None:
    ended = run("-c", FROZEN)
    assert (ended.returncode, ended.stdout.strip()) == (0, "True True"), ended.stderr


@pytest.mark.parametrize(("command", "counts"), [("relay", True), ("health", False)])
def test_no_command_leaves_files_in_the_folder_of_metrics(
    command: str,
    counts: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    """The health check of a container is one, which runs every half minute."""
    start = f"import sys, django; sys.argv = ['manage.py', '{command}']; django.setup()"
    ended = run("-c", start, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert any(tmp_path.iterdir()) is counts
