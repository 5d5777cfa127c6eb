"""The processes of a tuning: what they keep."""

from __future__ import annotations

import gc

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.plan import Timing
from jobs.core.tuning.evaluation import Question
from jobs.core.tuning.setting_space import TunedSetting
from jobs.management.tune.tune_processes import collected
from tests.unit.jobs.core.tuning.workloads import workload


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
