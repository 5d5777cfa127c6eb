"""A wrong option of `manage.py autoscale` is named, and nothing starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.management.scaling.host_gpus import NoSuchGpuError, chosen_gpus
from jobs.management.scaling.scale_arguments import ScaleArguments, ScaleOptionError

USUAL: dict[str, Any] = {
    "models": "echo,minilm", "min": 0, "max": None, "gpus": None, "cpu": None, "lanes": None,
    "memory_budget": None, "first_index": 0, "on_stop": "drain", "log_dir": None, "env": None,
    "requirements": None,
}  # fmt: skip


def arguments(there: int = 2, **options: Any) -> ScaleArguments:
    return ScaleArguments.of(
        USUAL | options,
        known=lambda: ["echo", "minilm"],
        gpus=lambda choice: chosen_gpus(choice, lambda: there),
    )


@pytest.fixture(autouse=True)
def _all_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_by_default_each_gpu_may_have_a_worker() -> None:
    chosen = arguments()
    assert (chosen.models, chosen.gpus, chosen.lowest, chosen.highest) == (
        ("echo", "minilm"),
        ("0", "1"),
        0,
        2,
    )


def test_workers_on_the_cpu_have_a_number_and_options_go_to_the_workers() -> None:
    chosen = arguments(cpu=3, max=2, lanes=1, env="own", requirements=Path("r.txt"))
    assert (chosen.gpus, chosen.cpus, chosen.highest) == ((), 3, 2)
    assert chosen.options == ("--lanes", "1", "--env", "own", "--requirements", "r.txt")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min": 2, "max": 1}, "--max 1: it is 1 or more, and not under --min 2."),
        ({"max": 0}, "--max 0: it is 1 or more"),
        ({"min": -1}, "--min -1: it is 0 or more."),
        ({"max": 3}, "--max 3: there is room for 2 workers, the GPUs of --gpus."),
        ({"cpu": 1, "max": 2}, "--max 2: there is room for 1 workers, the CPU workers of --cpu."),
        ({"min": 3}, "--min 3: there is room for 2 workers."),
        ({"cpu": 0}, "--cpu 0: it is 1 or more."),
        ({"cpu": 1, "gpus": "0"}, "--cpu and --gpus: name one of them"),
        ({"models": "echo,nosuch"}, "--models: no such model: nosuch; there are echo, minilm."),
        ({"models": " , "}, "--models: name one model or more"),
        ({"first_index": -1}, "--first-index -1"),
        ({"log_dir": Path("/nowhere/at/all")}, "--log-dir /nowhere/at/all: there is no such folder."),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ScaleOptionError) as caught:
        arguments(**options)
    assert words in str(caught.value)
    assert caught.value.code == "scale_option"


@pytest.mark.parametrize(
    ("there", "choice", "words"),
    [
        (0, None, "--gpus all: there is no GPU that this process may use. --cpu N runs"),
        (2, "2", "--gpus 2: this process may use 2 GPUs; they count from 0."),
        (2, "0,0", "--gpus 0,0: name each GPU once"),
        (2, "first", "--gpus first is neither an index (0) nor a UUID"),
    ],
)
def test_a_gpu_that_is_not_there_is_named(there: int, choice: str | None, words: str) -> None:
    with pytest.raises(NoSuchGpuError) as caught:
        arguments(there, gpus=choice)
    assert words in str(caught.value)


def test_an_index_counts_within_what_a_scheduler_left_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    with pytest.raises(NoSuchGpuError, match="--gpus 1 is not among the 1 of CUDA_VISIBLE_DEVICES=4"):
        arguments(2, gpus="1")
