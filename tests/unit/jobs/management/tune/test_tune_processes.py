"""The processes of a tuning: what they keep."""

from __future__ import annotations

import gc
import subprocess
import sys

import psutil
import pytest

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.plan import Timing
from jobs.core.tuning.evaluation import Question
from jobs.core.tuning.setting_space import TunedSetting
from jobs.management.tune.tune_processes import collected
from tests.support.wait import wait_until
from tests.unit.jobs.core.tuning.workloads import workload

# A process that has asked once, and says so; its own are kept by the pool.
ASKING = """
import sys
from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.plan import Timing
from jobs.core.tuning.evaluation import Question
from jobs.core.tuning.setting_space import TunedSetting
from jobs.management.tune.tune_processes import processes
from tests.unit.jobs.core.tuning.workloads import workload

if __name__ == "__main__":
    with processes(workload(Timing(0.02, 0.002)), LoadGoal(95.0, 1.0)) as ask:
        ask([Question(TunedSetting(16), 100.0, 1, 2, 300)] * 8)
        print("asked", flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_they_end_with_the_process_that_asks(end: str) -> None:
    words, pipe = [sys.executable, "-c", ASKING], subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "asked\n"
        own = psutil.Process(asking.pid).children(recursive=True)
        assert len(own) >= 1
        getattr(asking, end)()
        wait_until(lambda: not any(process.is_running() for process in own))


def test_a_simulation_leaves_nothing_in_memory_though_the_collector_is_off() -> None:
    own, question = workload(Timing(0.02, 0.002)), Question(TunedSetting(16), 100.0, 1, 2, 300)
    gc.disable()
    try:
        collected(own, LoadGoal(95.0, 1.0), question)
        before = len(gc.get_objects())
        for _ in range(5):
            collected(own, LoadGoal(95.0, 1.0), question)
        assert len(gc.get_objects()) - before < 100
    finally:
        gc.enable()
