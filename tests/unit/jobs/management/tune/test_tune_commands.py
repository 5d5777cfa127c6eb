"""The commands that put tuned settings in force: what they change, and that numbers are written whole."""

from __future__ import annotations

from typing import Any

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.tuning.setting_space import TunedSetting
from jobs.management.tune.tune_commands import commands_for, tuned_name
from models_registry.core.refs import Ref
from tests.support import specimens

GOAL = LoadGoal(95.0, 0.2)


def commands(setting: TunedSetting, *, goal: LoadGoal = GOAL, workers: int = 1, **version: Any) -> list[str]:
    fields = {"model": "echo", "version": "1", "max_batch": 64, "p95_goal_s": 2.0} | version
    lines = commands_for(specimens.version("entry_point", "a:b", **fields), goal, setting, workers)
    return [line.replace(".venv/bin/python manage.py ", "") for line in lines]


def test_the_version_is_registered_before_its_alias_moves_and_its_workers_start() -> None:
    assert commands(TunedSetting(32, 0, 2, 256, 512)) == [
        "register_model echo 1-b32-p95-200ms --like 1 --max-batch 32 --p95-goal-s 0.2",
        "move_alias echo default 1-b32-p95-200ms",
        "gpu_worker --gpu 0 --models echo --lanes 2 --prefetch 256",
        "QUEUE_DEPTH=512 relay",
    ]


def test_what_would_change_nothing_is_left_out() -> None:
    assert commands(TunedSetting(64), p95_goal_s=0.2) == ["gpu_worker --gpu 0 --models echo --lanes 1"]


def test_numbers_are_written_whole() -> None:
    line = commands(TunedSetting(64, 1_200_000), goal=LoadGoal(95.0, 0.0940777))[0]
    assert line.endswith("--max-padded-size 1200000 --p95-goal-s 0.0940777")


def test_a_long_goal_makes_a_name_that_a_version_may_have() -> None:
    info = specimens.version("entry_point", "a:b", model="echo", version="2026-11-30." + "a" * 50)
    for goal in (GOAL, LoadGoal(99.9, 10_800.0), LoadGoal(95.0, 0.0940777)):
        name = tuned_name(info, goal, TunedSetting(1_024, 1_200_000))
        assert Ref.parse(f"echo:{name}").version == name


def test_each_worker_has_a_number_and_a_gpu_of_its_own() -> None:
    assert commands(TunedSetting(64), workers=2, p95_goal_s=0.2) == [
        "gpu_worker --gpu 0 --models echo --lanes 1",
        "gpu_worker --gpu 1 --index 1 --models echo --lanes 1",
    ]
    assert len(commands(TunedSetting(64), workers=500, p95_goal_s=0.2)) == 1
