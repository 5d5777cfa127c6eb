"""The names of schemas, as a generator sees them: openapi-python-client makes a client, as `api.md` says."""

from __future__ import annotations

import importlib
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[5]
DESCRIPTION = Path(__file__).with_name("openapi.json")
PACKAGE = "generated_client"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a client that was generated without a warning."""
    home = tmp_path_factory.mktemp("generated")
    page = (ROOT / "inference_site/docs/api.md").read_text()
    (shown,) = re.findall(r"```yaml\n(content_type_overrides.*?)```", page, re.DOTALL)
    (home / "generator.yml").write_text(shown)
    words = [
        "--path",
        str(DESCRIPTION),
        "--config",
        "generator.yml",
        "--meta",
        "none",
        "--output-path",
        PACKAGE,
    ]
    tool = Path(sys.executable).with_name("openapi-python-client")
    done = subprocess.run(
        [tool, "generate", *words, "--fail-on-warning"], cwd=home, check=False, capture_output=True, text=True
    )
    assert (done.returncode, "WARNING" in done.stdout) == (0, False), done.stdout + done.stderr
    return home / PACKAGE


def test_it_has_every_call_and_passes_strict_types(package: Path) -> None:
    calls = {path.stem for path in package.glob("api/*/*.py") if path.stem != "__init__"}
    assert {"submit_job", "submit_jobs", "stream_submits", "stream_job_events", "upload_file"} <= calls
    assert not list(package.glob("models/submit_job*")), "a schema without a name is written once a call"
    words = ["--strict", "--config-file=", "--cache-dir", str(package.parent / "cache"), PACKAGE]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words],
        cwd=package.parent,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_it_sends_each_kind_of_body(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(package.parent)
    models, types = (importlib.import_module(f"{PACKAGE}.{name}") for name in ("models", "types"))
    job = models.JobRequest(model="echo", input_={"n": 1})

    def sent(call: str, body: object) -> dict[str, Any]:
        module = importlib.import_module(f"{PACKAGE}.api.jobs.{call}")
        kwargs: dict[str, Any] = module._get_kwargs(body=body)
        return {"kind": kwargs["headers"]["Content-Type"], **kwargs}

    lines = types.File(payload=io.BytesIO(b'{"model":"echo","input":1}\n'))
    one, many = sent("submit_job", job), sent("submit_jobs", [job])
    bulk, stream = sent("submit_jobs", lines), sent("stream_submits", lines)
    defaults = {"cache": "use", "encoding": "json", "priority": 4}
    assert (one["kind"], one["json"]) == (
        "application/json",
        {"model": "echo", "input": {"n": 1}, **defaults},
    )
    assert (many["kind"], many["json"]) == ("application/json", [one["json"]])
    assert {bulk["kind"], stream["kind"]} == {"application/x-ndjson"}
    assert bulk["content"] is stream["content"] is lines.payload
