"""A worker sees one GPU alone, and begins once that answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.management.pinned_device import NoGpuError, PinnedDevice, answering_gpu, ask_fresh, pin
from models_registry.loaders.devices import cuda_driver
from models_registry.loaders.devices.cuda_driver import ABSENT_STATUS, SILENT_STATUS


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "0")
        monkeypatch.delenv(name)


def test_the_cpu_needs_no_answer() -> None:
    assert pin(None) == PinnedDevice("cpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_an_index_without_a_gpu_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    with pytest.raises(NoGpuError, match=r"--gpu 1: there is no GPU .*nvidia-smi -L.*--gpus.*--cpu"):
        pin("1")
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["CUDA_DEVICE_ORDER"]) == ("7", "PCI_BUS_ID")


def test_a_silent_gpu_is_asked_again_after_longer_and_longer() -> None:
    answers = [(SILENT_STATUS, "an illegal address"), (-11, ""), (SILENT_STATUS, ""), (0, "GPU-1")]
    waits_s = list[float]()
    assert answering_gpu("0", lambda: answers.pop(0), waits_s.append) == "GPU-1"
    assert waits_s == [5.0, 10.0, 20.0]
    many = [(SILENT_STATUS, "")] * 12 + [(0, "GPU-1")]
    answering_gpu("0", lambda: many.pop(0), waits_s.append)
    assert max(waits_s) == 300.0


def test_a_gpu_that_vanished_is_an_error_while_it_is_waited_for() -> None:
    answers = [(SILENT_STATUS, "busy"), (ABSENT_STATUS, "no CUDA-capable device is detected (100)")]
    with pytest.raises(NoGpuError, match="no CUDA-capable device"):
        answering_gpu("0", lambda: answers.pop(0), lambda _: None)


def test_a_driver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "hang.py"
    hanging.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(cuda_driver, "__file__", str(hanging))
    assert ask_fresh(0.2)[0] == SILENT_STATUS
