"""The check at a worker's start: libraries that changed under the patches are named, with what changed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery.worker.consumer import Consumer
from celery.worker.consumer.tasks import Tasks
from django.core.management import CommandError, call_command

from jobs.core.errors import LibraryChangedError
from jobs.worker.consuming import patches
from jobs.worker.consuming.consumer import JobConsumer
from jobs.worker.consuming.patches import LIBRARIES, Inside, ReadLibrary
from jobs.worker.consuming.undelayed import CONTROL, DELAYED_DELIVERY, QUESTIONS, UndelayedConsumer

ROOT = Path(__file__).parents[5]


def test_what_is_installed_is_what_was_read() -> None:
    patches.check()
    for library in LIBRARIES:
        assert metadata.version(library.name) == library.version, "read its source, then renew the version"


def changed(*insides: Inside, version: str = LIBRARIES[0].version) -> str:
    with pytest.raises(LibraryChangedError) as caught:
        patches.check((ReadLibrary("celery", version, insides),))
    return str(caught.value)


def test_a_worker_does_not_start_on_a_library_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _name: "9.9.9")
    with pytest.raises(CommandError, match=r"celery 9\.9\.9 is installed, and 5\.7\.0 was read"):
        call_command("gpu_worker", "--cpu", "--models", "echo")


@pytest.mark.parametrize("version", ["5.6.9", "5.8.0", "6.0.0rc1"])
def test_another_version_is_refused(version: str) -> None:
    installed = metadata.version("celery")
    assert f"celery {installed} is installed, and {version} was read" in changed(version=version)


def test_a_patch_release_is_taken() -> None:
    patches.check((ReadLibrary("celery", "5.7.99", ()),))


TASKS = "celery.worker.consumer.tasks:Tasks"


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        (Inside(f"{TASKS}.qos_global", "self"), "takes (self c) and took (self)"),
        (Inside(f"{TASKS}.start", "self c", "qos_global prefetch_all"), "no longer uses prefetch_all"),
        (Inside(f"{TASKS}.prefetch", "self"), "is gone"),
        (Inside("celery.worker.prefetch:Tasks.start", "self"), "is gone"),
        (Inside(f"{TASKS}.requires", "self"), "is gone, or is no Python function"),
    ],
)
def test_a_function_that_changed_is_named_with_the_difference(inside: Inside, fault: str) -> None:
    text = changed(inside)
    assert f"{inside.path} {fault}" in text
    assert "jobs.worker.consuming.patches" in text


def test_every_difference_is_named_at_once() -> None:
    text = changed(Inside(f"{TASKS}.a", ""), Inside(f"{TASKS}.b", ""))
    assert text.count("is gone") == 2


def test_an_overridden_method_of_the_consumer_is_checked() -> None:
    paths = {inside.path for library in LIBRARIES for inside in library.insides}
    ours = {
        name
        for name in {**vars(JobConsumer), **vars(UndelayedConsumer)}
        if callable(getattr(Consumer, name, None))
    }
    overridden = {name for name in ours - {"Blueprint"} if not name.startswith("__")}
    assert {f"celery.worker.consumer:Consumer.{name}" for name in overridden} <= paths


def test_a_prefetch_is_each_consumer_s_once_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tasks, "qos_global", lambda _self, _c: True)
    patches.apply()
    assert Tasks(type("C", (), {})()).qos_global(None) is False


def test_the_consumer_has_all_of_celery_s_steps_but_the_queues_for_delays_and_orders() -> None:
    theirs, ours = Consumer.Blueprint.default_steps, JobConsumer.Blueprint.default_steps
    assert [step for step in theirs if step not in ours] == [CONTROL, DELAYED_DELIVERY]
    assert [step for step in ours if step not in theirs] == [QUESTIONS]


def test_no_other_module_of_the_worker_touches_what_libraries_hide() -> None:
    rooms = [ROOT / "jobs/worker", ROOT / "jobs/broker"]
    paths = [path for room in rooms for path in room.rglob("*.py") if "SLF001" in path.read_text()]
    assert [path.name for path in paths] == ["patches.py"]


def test_a_connection_that_is_no_plain_tcp_is_left_alone() -> None:
    connection: Any = ModuleType("connection")
    connection.transport = object()
    assert patches.read_in_bursts(connection, hub=None) is None
