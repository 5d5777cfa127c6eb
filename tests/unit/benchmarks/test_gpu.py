"""Where no GPU answers, the benchmark of one says so; its bare loop is tried on the CPU."""

from __future__ import annotations

import pytest

from tests.benchmarks import gpu
from tests.benchmarks.gpu_work import bare


def test_without_a_gpu_it_says_that_it_did_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "ask_fresh", lambda: (3, "libcuda.so.1: no such file"))
    (figure,) = gpu.measure()
    assert (figure.value, figure.met) == ("did not run: libcuda.so.1: no such file", None)


def test_the_bare_loop_runs_on_any_device() -> None:
    rate = bare(8, "cpu", [4])
    assert rate["per_s"] > 0
    assert rate["batch"] == 4
