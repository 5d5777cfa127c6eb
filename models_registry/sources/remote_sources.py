"""How each kind of source is read into an empty folder; runs in a process of its own, without Django.

/a/path, s3://bucket/key-or-prefix, hf:org/name@revision, mlflow:models/name/3, mlflow:models/name@alias
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from models_registry.core.registry_errors import SourceError
from models_registry.sources.file_tree import PICKLES, files_below, safe_name, size_of

CHUNK_BYTES = 1 << 20
Reader = Callable[[str, str, Path, int], str]


def read_path(rest: str, part: str, into: Path, most_bytes: int) -> str:
    """Copy a file, or a folder's files, of this machine."""
    path = Path(rest).absolute()
    if not path.exists():
        raise SourceError(f"There is no file or folder {rest!r} on this machine.")
    if path.is_file():
        check_size(path.stat().st_size, most_bytes)
        shutil.copyfile(path, into / safe_name(path.name))
        return str(path)
    names = [name for name in files_below(path) if _is_in(part, name)]
    check_size(sum((path / name).stat().st_size for name in names), most_bytes)
    for name in names:
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path / name, into / name, follow_symlinks=False)
    return str(path)


def read_s3(rest: str, part: str, into: Path, most_bytes: int) -> str:
    """Copy an object, or all objects below a prefix, of a bucket; AWS's own variables name the login."""
    boto3 = _import("boto3", "s3")
    bucket, _, key = rest.partition("/")
    client = boto3.client("s3")
    objects = [found for found in _objects(client, bucket, key) if _is_in(part, found[0])]
    if not objects:
        raise SourceError(f"There is no object s3://{rest}, and none below it.")
    check_size(sum(size for _, _, size in objects), most_bytes)
    for name, full, _ in objects:
        target = into / safe_name(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, full, str(target))
    return f"s3://{rest}"


def _objects(client: Any, bucket: str, key: str) -> Iterator[tuple[str, str, int]]:
    """Yield the relative name, key and size of the object `key`, or of those below it as a folder."""
    prefix = key.rstrip("/") + "/" if key else ""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key.rstrip("/")):
        for entry in page.get("Contents", ()):
            if entry["Key"] == key:
                yield key.rpartition("/")[2], key, entry["Size"]
                return
            if entry["Key"].startswith(prefix) and not entry["Key"].endswith("/"):
                yield entry["Key"][len(prefix) :], entry["Key"], entry["Size"]


def read_hub(rest: str, part: str, into: Path, most_bytes: int) -> str:
    """Copy the files of one commit of a repository of the Hugging Face hub, without pickles."""
    hub = _import("huggingface_hub", "worker")
    repository, _, revision = rest.partition("@")
    found = hub.HfApi().model_info(repository, revision=revision or None, files_metadata=True)
    ignored = [] if part else [f"*{suffix}" for suffix in sorted(PICKLES)]
    names = [entry.rfilename for entry in found.siblings or ()]
    chosen = list(hub.utils.filter_repo_objects(names, allow_patterns=_below(part), ignore_patterns=ignored))
    if not chosen:
        raise SourceError(f"There is no file {part or 'to take'} in {repository} at {found.sha}.")
    check_size(sum(entry.size or 0 for entry in found.siblings if entry.rfilename in chosen), most_bytes)
    hub.snapshot_download(
        repository,
        revision=found.sha,
        local_dir=into,
        allow_patterns=[safe_name(name) for name in chosen],
        max_workers=4,
    )
    shutil.rmtree(
        into / ".cache", ignore_errors=True
    )  # the library's own notes are none of the model's files
    return f"hf:{repository}@{found.sha}"


def read_mlflow(rest: str, part: str, into: Path, most_bytes: int) -> str:
    """Copy a registered model of MLflow; MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI name the server."""
    mlflow = _import("mlflow", "mlflow")
    name = rest.removeprefix("models/")
    if "@" in name:
        name, _, alias = name.partition("@")
        number = mlflow.MlflowClient().get_model_version_by_alias(name, alias).version
    else:
        name, _, number = name.partition("/")
    if not rest.startswith("models/") or not name or not str(number):
        raise SourceError("A source of MLflow is mlflow:models/NAME/VERSION or mlflow:models/NAME@ALIAS.")
    uri = "/".join(filter(None, (f"models:/{name}/{number}", part)))
    mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(into))
    check_size(size_of(into), most_bytes)
    return f"mlflow:models/{name}/{number}"


def check_size(size: int, most_bytes: int) -> None:
    """Refuse an artifact that no worker's cache would hold: SourceError."""
    if size > most_bytes:
        raise SourceError(
            f"The source has {size:,} bytes, and ARTIFACT_CACHE_MB allows {most_bytes:,}: name the file to"
            " take with #path, or set a larger limit."
        )


READERS: dict[str, Reader] = {"s3://": read_s3, "hf:": read_hub, "mlflow:": read_mlflow, "file:": read_path}


def read_source(source: str, into: Path, most_bytes: int) -> tuple[Path, str]:
    """Copy a source into an empty folder; return the artifact's path there, and the source as resolved.

    `#path` at the source's end takes that file or folder of it. SourceError.
    """
    whole, _, part = source.partition("#")
    if part:
        safe_name(part)
    kind = next((scheme for scheme in READERS if whole.startswith(scheme)), "")
    if not kind and "://" in whole:
        raise SourceError(f"{whole[:80]!r} is no source: a path, s3://, hf: or mlflow: is one.")
    read = READERS[kind] if kind else read_path
    resolved = read(whole.removeprefix(kind), part, into, most_bytes)
    path = into / part if part else into
    if not path.exists():
        raise SourceError(f"There is no {part} in {resolved}.")
    names = [] if path.is_file() else files_below(path)
    lone = len(names) == 1 and "/" not in names[0]
    return path / names[0] if lone else path, f"{resolved}#{part}" if part else resolved


def _below(part: str) -> list[str] | None:
    return [part, f"{part}/*"] if part else None


def _is_in(part: str, name: str) -> bool:
    return not part or name == part or name.startswith(f"{part}/")


def _import(module: str, extra: str = "") -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        what = f"inference-platform[{extra}]" if extra else module.replace("_", "-")
        raise SourceError(
            f"This source needs {module}, which is not installed: pip install '{what}'"
        ) from None
