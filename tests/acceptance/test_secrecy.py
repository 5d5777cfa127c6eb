"""An encrypted model with personal data through the whole stack: only the owner can read it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from celery import Celery
from celery.result import AsyncResult

from inference_site.stack.harness import Stack
from jobs.core.errors import PayloadKeyMissingError
from tests.support.app import JOBS, App, register
from tests.support.wait import wait_until

WHO, WORD = "acceptance-maxima-muster", "acceptance-open-sesame"
INPUT = {"name": WHO, "text": WORD}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "x-pii": True}}}
ARTIFACTS = {"sealed": "echo", "spoilt": "faulty"}
MODEL = "echo:sealed"


@pytest.fixture(scope="module", autouse=True)
def versions(stack: Stack) -> None:
    """Two versions of a model that the stack's worker serves: one answers, one fails as its input says."""
    for version, name in ARTIFACTS.items():
        schema = ("--input-schema", json.dumps(SCHEMA))
        register(stack, "echo", version, name, *schema, encrypt=True, cache_ttl_s=600)


@pytest.fixture
def admin(stack: Stack) -> Iterator[httpx.Client]:
    info = stack.info
    with httpx.Client(base_url=info["api"], timeout=30, trust_env=False, follow_redirects=True) as http:
        page = http.get("/admin/login/")
        login = {"username": info["admin_user"], "password": info["admin_password"]}
        form = login | {"csrfmiddlewaretoken": page.cookies["csrftoken"], "next": "/admin/"}
        assert "Log out" in http.post("/admin/login/", data=form, headers={"Referer": str(page.url)}).text
        yield http


def stored(app: App) -> str:
    """Return every value of the jobs' tables as text, bytes as Latin-1."""
    tables = [name for (name,) in app.rows("SELECT tablename FROM pg_tables WHERE tablename ~ '^jobs_'")]
    values = [value for table in tables for row in app.rows(f'SELECT * FROM "{table}"') for value in row]
    return "\n".join(v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in values)


def logged(stack: Stack) -> str:
    return "\n".join(path.read_text(errors="replace") for path in (stack.run_dir / "log").glob("*.log"))


def secrets_in(text: str) -> list[str]:
    return [secret for secret in (WHO, WORD) if secret in text]


def test_the_owner_reads_the_output_in_every_way_and_no_store_holds_it_in_clear(
    stack: Stack, app: App, admin: httpx.Client
) -> None:
    job = app.submit(MODEL, INPUT, metadata={"m": WORD}, parameters={"p": WORD})
    *_, end = app.client.stream(job["id"])
    assert (end.name, end.data["output"]) == ("end", INPUT)
    done = app.finished(job["id"])
    assert (done["output"], done["metadata"]) == (INPUT, {"m": WORD})
    again = app.http.post(JOBS, json={"model": MODEL, "input": INPUT, "parameters": {"p": WORD}})
    assert (again.status_code, again.json()["cached_from"]) == (200, job["id"])
    assert again.json()["output"] == INPUT
    assert secrets_in(stored(app) + logged(stack)) == []
    page = admin.get(f"/admin/jobs/job/{job['id']}/change/").text
    assert WORD in page  # the right to see payloads covers what no schema marks
    assert WHO not in page
    assert "pii:" in page


def test_a_failure_reveals_no_secret(stack: Stack, app: App, admin: httpx.Client) -> None:
    job = app.submit(
        "echo:spoilt", INPUT | {"fail": "raise", "message": f"{WHO} said {WORD}"}, max_attempts=1
    )
    dead = app.finished(job["id"])
    assert dead["state"] == "dead"
    assert "sealed" in dead["error"]["detail"]
    assert secrets_in(stored(app) + logged(stack) + json.dumps(dead["error"])) == []
    letter = admin.get(f"/admin/jobs/deadletter/{job['id']}/change/").text
    assert f"{WHO} said {WORD}" in letter  # for people who may see payloads; the audit notes it


def test_celery_s_client_without_the_key_raises_a_clear_error(stack: Stack, app: App) -> None:
    job = app.submit(MODEL, INPUT | {"n": 1})
    wait_until(lambda: app.job(job["id"])["state"] == "succeeded")
    backend = f"jobs.result_backend:JobBackend+{stack.info['database']}"
    with pytest.raises(PayloadKeyMissingError, match="aesgcm:stack"):
        AsyncResult(job["id"], app=Celery("app", backend=backend, broker="memory://")).get(timeout=10)
