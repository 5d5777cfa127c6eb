import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from models_registry.core.loads.failed_loads import RETRY_S
from models_registry.core.registry_errors import (
    ArtifactMismatchError,
    InvalidInputError,
    LoaderRefusedError,
    LoadFailedError,
    ModelNotFoundError,
)
from models_registry.core.runner import Item, Runner, answer
from models_registry.loaders import builtin
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.load import load
from models_registry.models import ModelVersion
from models_registry.pool import Loaded, ModelPool
from models_registry.services import register_builtin_models, register_version
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("db")


def register(name: str, **fields: Any) -> int:
    entry = BUILT_IN.get(name, "")
    return register_version(
        **{"name": name, "version": "1", "loader": "entry_point", "artifact": entry} | fields
    ).id


def test_every_built_in_model_loads_and_answers_its_example() -> None:
    pool = ModelPool("cpu")
    for info in register_builtin_models():
        loaded = pool.runner(info.id)
        assert loaded.info == info
        assert len(answer(loaded.runner, [Item(info.example)])) == 1
    assert [loaded.info.model for loaded in pool.loaded()] == ["minilm", "echo", "sleeper"]


def test_many_threads_that_ask_at_once_share_one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []

    def counted(*args: Any) -> Runner:
        loads.append(1)
        return load(*args)

    monkeypatch.setattr("models_registry.loaders.ready.load", counted)
    pool, version = ModelPool("cpu"), register("echo")
    got = at_once([lambda: pool.runner(version)] * 8)
    assert len(loads) == 1
    assert len({id(loaded.runner) for loaded in got}) == 1


def test_a_slow_load_of_one_version_does_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = register("sleeper"), register("echo")
    began, finish = threading.Event(), threading.Event()

    def held(version: Any, *args: Any) -> Runner:
        if version.model == "sleeper":
            began.set()
            finish.wait(30)
        return load(version, *args)

    monkeypatch.setattr("models_registry.loaders.ready.load", held)
    pool = ModelPool("cpu")
    thread = threading.Thread(target=pool.runner, args=(slow,))
    thread.start()
    assert began.wait(30)
    assert pool.runner(quick).info.model == "echo"
    assert len(pool.loaded()) == 1
    finish.set()
    thread.join(30)
    assert len(pool.loaded()) == 2


def test_a_thread_that_loads_keeps_no_database_connection() -> None:
    pool, version = ModelPool("cpu"), register("echo")

    def call() -> Any:
        pool.runner(version)
        return connections["default"].connection

    assert at_once([call]) == [None]


def test_the_example_warms_a_version_before_its_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []

    def warm(_: builtin.Echo, batch: list[Any]) -> list[Any]:
        ran.append(batch)
        return batch

    monkeypatch.setattr(builtin.Echo, "run", warm)
    ModelPool("cpu").runner(register("echo", example={"warm": 1}))
    assert ran == [[{"warm": 1}]]


def test_a_version_that_fails_on_its_own_example_is_not_loaded() -> None:
    pool = ModelPool("cpu")
    with pytest.raises(LoadFailedError, match="ValueError: the model raises"):
        pool.runner(register("faulty", example={"fail": "raise"}))
    assert pool.loaded() == []


def test_a_failing_example_is_no_job_s_bad_input() -> None:
    with pytest.raises(LoadFailedError, match="InvalidInputError") as caught:
        ModelPool("cpu").runner(register("faulty", example={"fail": "invalid"}))
    assert not isinstance(caught.value, InvalidInputError)


def test_what_a_version_with_personal_data_says_as_it_fails_to_load_is_not_shown() -> None:
    marked = {"properties": {"name": {"x-pii": True}}}
    example = {"fail": "raise", "message": "of maxima-muster"}
    artifact = "models_registry.loaders.builtin:faulty"
    pool = ModelPool("cpu", entry_points=(artifact,))
    version = register("faulty", artifact=artifact, input_schema=marked, example=example)
    for _ in range(2):  # also where the failure is remembered
        with pytest.raises(LoadFailedError, match="its data is confidential") as raised:
            pool.runner(version)
        assert "maxima" not in "".join(traceback.format_exception(raised.value))


def test_an_unknown_version_is_not_found() -> None:
    with pytest.raises(ModelNotFoundError, match="987654"):
        ModelPool("cpu").runner(987_654)


def test_a_file_that_changed_after_its_registration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "program.pt"
    path.write_bytes(b"one")
    version = register("program", loader="torchscript", artifact=str(path))
    path.write_bytes(b"two")
    with pytest.raises(ArtifactMismatchError):
        ModelPool("cpu", allow_torch_programs=True).runner(version)
    with pytest.raises(LoaderRefusedError, match="ALLOW_TORCH_PROGRAMS"):
        ModelPool("cpu").runner(version)


def test_a_broken_artifact_is_a_load_error(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(LoadFailedError, match="cannot be loaded"):
        ModelPool("cpu").runner(register("broken", loader="transformer", artifact=str(tmp_path)))


def test_an_artifact_may_lie_under_the_model_directory(tmp_path: Path) -> None:
    (tmp_path / "program.pt").write_bytes(b"one")
    version = register("program", loader="torchscript", artifact=str(tmp_path / "program.pt"))
    ModelVersion.objects.update(artifact="program.pt")
    pool = ModelPool("cpu", allow_torch_programs=True, model_dir=str(tmp_path))
    with pytest.raises(LoadFailedError, match="cannot be loaded"):  # found, of the right hash, and no program
        pool.runner(version)


def test_a_failed_load_is_remembered_for_a_while_and_then_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, tries = [100.0], list[int]()

    def failing(*args: Any) -> Runner:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("disk")
        return load(*args)

    monkeypatch.setattr("models_registry.loaders.ready.load", failing)
    monkeypatch.setattr("models_registry.pool.monotonic", lambda: now[0])
    pool, version = ModelPool("cpu"), register("echo")
    for _ in range(3):
        with pytest.raises(LoadFailedError, match="disk"):
            pool.runner(version)
    assert len(tries) == 1
    now[0] += RETRY_S
    assert isinstance(pool.runner(version), Loaded)


class Watcher:
    def __init__(self) -> None:
        self.notes = list[tuple[str, int]]()

    def loading(self, version: int) -> None:
        self.notes.append(("loading", version))

    def failed(self, version: int, error: Exception, **_: Any) -> None:
        self.notes.append((type(error).__name__, version))

    def loaded(self, version: int, **_: Any) -> None:
        self.notes.append(("loaded", version))

    def dropped(self, version: int) -> None:
        self.notes.append(("dropped", version))

    def again(self) -> None:
        raise AssertionError


def test_a_version_that_does_not_load_is_tried_less_and_less_and_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, watcher = [100.0], Watcher()
    monkeypatch.setattr("models_registry.pool.monotonic", lambda: now[0])
    pool = ModelPool("cpu", watcher=watcher)
    bad, good = register("faulty", example={"fail": "exit"}), register("echo")
    delays = list[float]()
    for _ in range(6):
        with pytest.raises(LoadFailedError, match="SystemExit"):
            pool.runner(bad)
        delays.append(pool.retry_in_s(bad))
        now[0] += delays[-1]
    assert delays == [5, 10, 20, 40, 60, 60]
    assert watcher.notes == [("loading", bad), ("LoadFailedError", bad)] * 6
    pool.runner(good)
    assert pool.models_without_versions() == {"faulty"}
    monkeypatch.setattr(builtin, "FAULTS", {"exit": lambda _: None})
    pool.begin_anew(bad)
    pool.runner(bad)
    assert watcher.notes[-1] == ("loaded", bad)
    assert (pool.models_without_versions(), pool.retry_in_s(bad)) == (set(), 0.0)
