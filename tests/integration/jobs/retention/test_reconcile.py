"""Objects without rows and rows without objects are named, and only old orphans are deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.test import override_settings

from inference_site.backends import django_storages
from inference_site.config import Config
from jobs.payloads import object_store
from jobs.services.erasure import unwanted_objects
from jobs.services.retention.reconcile import delete_orphans
from models_registry.loaders.integrity import digest
from models_registry.models import ModelVersion
from models_registry.sources import content_store
from models_registry.sources.content_store import StoredArtifact
from tests.integration.jobs.secrecy.stored_objects import aged, names, pointer
from tests.support import s3
from tests.support.factories import make_version
from tests.support.submit import submit_to

WORD = "open-sesame"
LARGE = {"text": WORD * 10_000}
OLD = "2020-01-01/000000-"


@pytest.fixture(params=["files", "s3"])
def store(
    request: pytest.FixtureRequest, db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Both kinds of storage, empty."""
    if request.param == "files":
        with override_settings(STORAGES=django_storages(Config(payload_dir=str(tmp_path)))):
            make_version()
            yield request.param
        return
    for name, value in s3.AWS.items():
        monkeypatch.setenv(name, value)
    with s3.serving() as address, s3.bucket_at(address):
        make_version()
        yield request.param


def reconciled(*words: str, status: int = 0) -> Any:
    out = StringIO()
    if status:
        with pytest.raises(SystemExit) as ended:
            call_command("reconcile", "--json", *words, stdout=out)
        assert ended.value.code == status
    else:
        call_command("reconcile", "--json", *words, stdout=out)
    assert WORD not in out.getvalue()
    return json.loads(out.getvalue())


def stored(name: str) -> None:
    object_store.storage().save(name, ContentFile(WORD.encode()))


def test_where_all_agree_the_status_is_0(store: str) -> None:
    submit_to("echo", LARGE)
    report = reconciled()
    assert (report["agrees"], report["payloads"]["objects"], report["artifacts"]["objects"]) == (True, 1, 0)


def test_an_object_without_a_row_is_an_orphan_once_it_is_old(store: str) -> None:
    submit_to("echo", LARGE)
    object_store.put(b"a call that may still store its row")
    stored(f"{OLD}orphan")
    payloads = reconciled(status=1)["payloads"]
    assert payloads["orphan_names"] == [f"{OLD}orphan"]
    assert (payloads["objects"], payloads["young"], payloads["missing"]) == (3, 1, 0)


def test_only_old_orphans_are_deleted(store: str) -> None:
    job = submit_to("echo", LARGE)
    young = object_store.put(b"a call that may still store its row")
    stored(f"{OLD}orphan")
    assert reconciled("--delete")["payloads"]["deleted"] == 1
    assert not object_store.exists(f"{OLD}orphan")
    assert object_store.exists(young.name)
    assert object_store.exists(pointer(job.id).name)
    assert reconciled()["payloads"]["orphans"] == 0


def test_what_a_row_needs_by_the_time_of_the_deletion_stays(store: str) -> None:
    job = submit_to("echo", LARGE)  # as where a worker settles between the check and the deletion
    stored(f"{OLD}orphan")
    needed = pointer(job.id).name
    assert delete_orphans([needed, f"{OLD}orphan"]) == 1
    assert object_store.exists(needed)


def test_a_row_without_its_object_is_named_with_its_job(store: str) -> None:
    job = submit_to("echo", LARGE)
    name = pointer(job.id).name
    object_store.delete(name)
    payloads = reconciled("--delete", status=1)["payloads"]
    assert payloads["missing_rows"] == [{"name": name, "kind": "input", "row": str(job.id)}]


def test_what_waits_to_be_deleted_is_no_orphan(store: str) -> None:
    job = submit_to("echo", {"small": 1})
    stored(f"{OLD}unwanted")
    unwanted_objects.mark_unwanted(job.id, [f"{OLD}unwanted"])
    payloads = reconciled("--delete")["payloads"]
    assert (payloads["awaiting_deletion"], payloads["orphans"]) == (1, 0)
    assert object_store.exists(f"{OLD}unwanted")


def artifact(tmp_path: Path) -> tuple[ModelVersion, list[str]]:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    kept = content_store.put(folder)
    return make_version("folders", "1", artifact=str(kept)), sorted(content_store.members(kept))


def test_artifacts_are_compared_with_versions_file_by_file(store: str, tmp_path: Path) -> None:
    version, members = artifact(tmp_path)
    assert len(members) == 3
    assert reconciled()["artifacts"]["objects"] == 3
    hashed = digest(tmp_path / "model" / "weights.bin")
    (weights,) = [name for name in members if name.endswith(hashed)]
    content_store.delete(weights)
    assert reconciled(status=1)["artifacts"]["missing_rows"] == [{"name": weights, "version": str(version)}]


def test_an_artifact_of_no_version_is_young_and_stays(store: str, tmp_path: Path) -> None:
    version, members = artifact(tmp_path)
    version.aliases.all().delete()
    version.delete()
    report = reconciled("--delete", "--delete-artifacts")
    assert (report["artifacts"]["young"], report["artifacts"]["deleted"]) == (3, 0)
    assert all(content_store.storage().exists(name) for name in members)


def test_an_old_artifact_of_no_version_goes_only_when_that_is_asked_for(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, members = artifact(tmp_path)
    version.aliases.all().delete()
    version.delete()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(content_store, "stored_at", lambda _name: long_ago)
    assert reconciled("--delete", status=1)["artifacts"]["orphan_names"] == members
    assert reconciled("--delete-artifacts")["artifacts"]["deleted"] == 3
    assert [*content_store.object_names()] == []


def test_files_of_a_version_whose_list_is_missing_stay(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, members = artifact(tmp_path)
    monkeypatch.setattr(content_store, "stored_at", lambda _name: datetime(2020, 1, 1, tzinfo=UTC))
    manifest = StoredArtifact.of(ModelVersion.objects.get(model__name="folders").artifact)
    assert manifest is not None
    (listed,) = [name for name in members if name.endswith(manifest.sha256)]
    content_store.delete(listed)
    report = reconciled("--delete-artifacts", status=1)["artifacts"]
    assert (report["missing"], report["orphans"], report["deleted"]) == (1, 2, 0)
    assert {*content_store.object_names()} == {*members} - {listed}


def test_people_get_lines(db: str, tmp_path: Path) -> None:
    with override_settings(STORAGES=django_storages(Config(payload_dir=str(tmp_path)))):
        make_version()
        job = submit_to("echo", LARGE)
        (tmp_path / aged(tmp_path, job.id).name).unlink()
        stored(f"{OLD}orphan")
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("reconcile", stdout=out)
        assert f"  no row: {OLD}orphan\n" in out.getvalue()
        assert f"the input of job {job.id}\n" in out.getvalue()
        assert names(tmp_path) == [f"{OLD}orphan"]


def test_what_cannot_be_asked_is_no_agreement(db: str, tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("no folder")
    with (
        override_settings(STORAGES=django_storages(Config(payload_dir=str(blocked)))),
        pytest.raises(CommandError) as refused,
    ):
        call_command("reconcile")
    assert refused.value.returncode == 4


@pytest.mark.parametrize(
    "words", [["--older-than-hours", "0"], ["--older-than-hours", "23"], ["--most", "-1"]]
)
def test_a_wrong_option_is_refused_before_anything_is_looked_at(words: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("reconcile", "--delete", *words)
    assert refused.value.returncode == 2
