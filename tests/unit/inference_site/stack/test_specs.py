from pathlib import Path

import pytest

from inference_site.stack import specs as table
from inference_site.stack.specs import ServedModels, StackPlan, chosen, count_gpus, make_plan, specs
from inference_site.stack.stack_errors import StartError


def plan(*, gpus: int = 0, workers: int = 1) -> StackPlan:
    return StackPlan(
        run_dir=Path("/run"),
        api_port=1,
        stream_port=2,
        flower_port=3,
        gpus=gpus,
        workers=workers,
        web_workers=3,
        login="admin:secret",
    )


def names(*only: str, workers: int = 1) -> list[str]:
    return [spec.name for spec in chosen(specs(plan(workers=workers)), only)]


def test_the_whole_stack_has_the_designed_processes() -> None:
    assert names(workers=2) == [
        "web",
        "stream",
        "relay",
        "gpu-worker-0",
        "gpu-worker-1",
        "cpu-worker",
        "beat",
        "flower",
    ]


def test_some_processes_can_be_chosen() -> None:
    assert names("relay", "web") == ["web", "relay"]
    assert names("gpu-worker-1", workers=2) == ["gpu-worker-1"]
    assert names("gpu-worker", workers=2) == ["gpu-worker-0", "gpu-worker-1"]


def test_the_web_server_has_as_many_processes_as_the_plan_names() -> None:
    web = next(spec for spec in specs(plan()) if spec.name == "web")
    assert web.argv[web.argv.index("--workers") + 1] == "3"


def test_an_unknown_process_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no such process: wbe; there are .*web"):
        names("wbe")


def test_workers_take_a_gpu_each_or_the_cpu() -> None:
    on_gpus = {spec.name: spec.argv for spec in specs(plan(gpus=2, workers=2))}
    assert on_gpus["gpu-worker-1"][2:] == (
        *("gpu_worker", "--gpu", "1", "--models", "minilm,echo,sleeper", "--index", "1"),
    )
    on_cpu = {spec.name: spec.argv for spec in specs(plan())}
    assert "--cpu" in on_cpu["gpu-worker-0"]


def test_workers_end_after_the_programs_that_give_them_work() -> None:
    ranks = {spec.name: spec.rank for spec in specs(plan())}
    assert {name for name, rank in ranks.items() if rank} == {"gpu-worker-0", "cpu-worker"}


def test_every_process_has_a_page_of_metrics_and_that_of_the_api_s_port_covers_all_folders(
    tmp_path: Path,
) -> None:
    served = ServedModels(("echo",), {}, {"apart": tmp_path})
    made = make_plan(run_dir=tmp_path, workers=2, login="a:b", served=served)
    pages = {
        spec.name: (spec.env["METRICS_PORT"], spec.env["PROMETHEUS_MULTIPROC_DIR"]) for spec in specs(made)
    }
    assert len({port for port, _ in pages.values()}) == len(pages) == 9
    folder = tmp_path / "metrics"
    assert {name: Path(path) for name, (_, path) in pages.items()} == {
        name: folder if name == "web" else folder / name for name in pages
    }
    assert made.metrics_pages["beat"] == f"http://127.0.0.1:{pages['beat'][0]}/metrics"
    assert made.metrics_url == f"{made.api_url}/metrics"


def test_no_password_is_on_a_command_line() -> None:
    for spec in specs(plan()):
        assert "secret" not in " ".join(spec.argv)


def test_without_nvidia_smi_there_is_no_gpu_and_one_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus() == 0
    assert make_plan(run_dir=tmp_path, workers=None, login="a:b").workers == 1


def test_gpus_are_counted_as_nvidia_smi_lists_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: one (UUID: a)'\necho 'GPU 1: two (UUID: b)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert table.count_gpus() == 2


def test_without_a_choice_the_built_in_models_are_served() -> None:
    served = ServedModels.of([])
    assert (served.names, dict(served.folders)) == (("minilm", "echo", "sleeper"), {})


def test_a_folder_is_served_by_its_name_and_its_code_is_allowed(tmp_path: Path) -> None:
    (folder := tmp_path / "mine").mkdir()
    served = ServedModels.of([f"{folder}", "minilm"])
    assert (served.names, dict(served.folders)) == (("mine", "minilm"), {"mine": folder})
    assert served.env({}) == {"MODEL_FOLDERS": "mine"}
    assert served.env({"MODEL_FOLDERS": "other"}) == {"MODEL_FOLDERS": "other,mine"}


def test_a_folder_that_is_none_is_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"There is no folder \./nowhere; manage\.py new_model"):
        ServedModels.of(["./nowhere"])
    (tmp_path / "model.toml").write_text("nmae = 1")
    with pytest.raises(StartError, match="nmae"):
        ServedModels.of([f"{tmp_path}"])


def test_a_folder_with_requirements_has_a_worker_of_its_own_in_its_environment(tmp_path: Path) -> None:
    for name, text in (("plain", "# none"), ("apart", "spam==1 --hash=sha256:00")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text(text)
    served = ServedModels.of([f"{tmp_path}/plain", f"{tmp_path}/apart", "echo"])
    made = make_plan(run_dir=tmp_path, workers=1, login="a:b", served=served)
    workers = [spec.argv for spec in specs(made) if spec.name.startswith("gpu-worker")]
    own = ("--env", "apart", "--requirements", f"{tmp_path}/apart/requirements.txt")
    assert [argv[argv.index("--models") + 1 :] for argv in workers] == [
        ("plain,echo", "--index", "0"),
        ("apart", "--index", "1", *own),
    ]
    alone = make_plan(run_dir=tmp_path, workers=1, login="a:b", served=ServedModels.of([f"{tmp_path}/apart"]))
    assert [spec.name for spec in chosen(specs(alone), ["gpu-worker"])] == ["gpu-worker-0"]


def test_requirements_without_hashes_are_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("spam==1")
    with pytest.raises(StartError, match=r"spam has no `--hash=.*run `uv pip compile --generate-hashes"):
        ServedModels.of([f"{tmp_path}"])
