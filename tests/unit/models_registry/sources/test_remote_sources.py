"""Each kind of source, read from a server on loopback or from a file, and what none of them may hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from models_registry.core.registry_errors import SourceError
from models_registry.sources import remote_sources
from models_registry.sources.fetching import fetched
from models_registry.sources.remote_sources import read_source
from tests.support.s3 import AWS, REGION, Bucket, bucket_at, serving

MOST = 10_000
COMMIT = "a" * 40
FILES = {"config.json": b"{}", "onnx/model.onnx": b"graph", "pytorch_model.bin": b"pickle"}


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face hub's protocol as a download of a snapshot needs."""

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        path = self.path.partition("?")[0]
        if "/tree/" in path:
            tree = [
                {"type": "file", "path": name, "size": len(text), "oid": "0"} for name, text in FILES.items()
            ]
            self._answer(json.dumps(tree).encode(), body=body)
        elif path.startswith("/api/models/org/name"):
            siblings = [{"rfilename": name, "size": len(text)} for name, text in FILES.items()]
            about = {"id": "org/name", "sha": COMMIT, "siblings": siblings}
            self._answer(json.dumps(about).encode(), body=body)
        elif path.startswith(f"/org/name/resolve/{COMMIT}/"):
            self._answer(FILES[path.partition(f"{COMMIT}/")[2]], body=body)
        else:
            self.send_error(404)

    def _answer(self, text: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(text).hexdigest()}"')
        self.end_headers()
        if body:
            self.wfile.write(text)

    def log_message(self, *_words: object) -> None:
        """Print nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with serving() as address, bucket_at(address) as made:
        yield made


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def contents(path: Path) -> dict[str, bytes]:
    root = path if path.is_dir() else path.parent
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    names = {file: file.relative_to(root) for file in files}
    visible = {file: name for file, name in names.items() if not name.parts[0].startswith(".")}
    return {name.as_posix(): file.read_bytes() for file, name in visible.items()}


def read(source: str, into: Path) -> tuple[dict[str, bytes], str]:
    path, resolved = read_source(source, into, MOST)
    return contents(path), resolved


def fetch(source: str, most_bytes: int = MOST) -> tuple[dict[str, bytes], str]:
    """Read a source as a registering process does: in a process of its own, which has its own environment."""
    with fetched(source, most_bytes=most_bytes, limit_s=60) as (path, resolved):
        return contents(path), resolved


def test_a_branch_of_the_hub_is_resolved_to_its_commit_and_pickles_stay_there(hub: None) -> None:
    files, resolved = fetch("hf:org/name@main")
    assert resolved == f"hf:org/name@{COMMIT}"
    assert files == {"config.json": b"{}", "onnx/model.onnx": b"graph"}


def test_one_file_of_the_hub_can_be_named(hub: None) -> None:
    files, resolved = fetch("hf:org/name#onnx/model.onnx")
    assert (files, resolved) == ({"model.onnx": b"graph"}, f"hf:org/name@{COMMIT}#onnx/model.onnx")


def test_a_source_that_is_too_large_is_refused_before_it_is_fetched(hub: None) -> None:
    with pytest.raises(SourceError, match=r"has 7 bytes, and ARTIFACT_CACHE_MB allows 6.*#path"):
        fetch("hf:org/name", 6)


def test_a_folder_and_a_file_of_a_bucket_are_read(
    bucket: Bucket, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        **AWS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": bucket.env["PAYLOAD_ENDPOINT_URL"],
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("m/1/config.json", "m/1/deep/w", "m/10/other"):
        bucket.write(name, name.encode())
    files, resolved = read(f"s3://{bucket.name}/m/1", into)
    assert files == {"config.json": b"m/1/config.json", "deep/w": b"m/1/deep/w"}
    assert resolved == f"s3://{bucket.name}/m/1"
    (into / "one").mkdir()
    assert read(f"s3://{bucket.name}/m/10/other", into / "one")[0] == {"other": b"m/10/other"}
    with pytest.raises(SourceError, match="no object"):
        read(f"s3://{bucket.name}/m/1x", into)


def test_an_object_whose_name_leads_out_of_the_folder_is_refused(
    bucket: Bucket, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [("../../out", "k/../../out", 1)]
    monkeypatch.setattr(remote_sources, "_objects", lambda *_: iter(found))
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with pytest.raises(SourceError, match=r"the path '\.\./\.\./out', which leads out"):
        read(f"s3://{bucket.name}/k", into)


def test_an_alias_of_mlflow_is_resolved_to_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    model = tmp_path / "logged"
    model.mkdir()
    (model / "model.onnx").write_bytes(b"graph")
    client = mlflow.MlflowClient()
    client.create_registered_model("digits")
    client.create_model_version("digits", source=model.as_uri())
    client.set_registered_model_alias("digits", "champion", "1")
    assert fetch("mlflow:models/digits@champion") == ({"model.onnx": b"graph"}, "mlflow:models/digits/1")


def test_a_folder_of_this_machine_is_copied_without_links(tmp_path: Path, into: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/a").write_text("a")
    (tmp_path / "m/b").write_text("b")
    assert read(str(tmp_path / "m"), into)[0] == {"a": b"a", "b": b"b"}
    (tmp_path / "m/c").symlink_to("/etc/passwd")
    with pytest.raises(SourceError, match="symbolic link"):
        read(str(tmp_path / "m"), into)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/no/such/file", "no file or folder"),
        ("https://example.org/model.onnx", "is no source: a path, s3://, hf: or mlflow: is one"),
        ("hf:org/name#../../x", "leads out"),
        ("mlflow:runs/1", "mlflow:models/NAME/VERSION"),
    ],
)
def test_another_source_is_refused(source: str, words: str, into: Path) -> None:
    with pytest.raises(SourceError, match=words):
        read(source, into)


def test_a_missing_extra_is_named(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(SourceError, match=r"pip install 'inference-platform\[mlflow\]'"):
        read("mlflow:models/digits/1", into)
