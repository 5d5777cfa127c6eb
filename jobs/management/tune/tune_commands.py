"""The commands that put settings in force: of the registry, of the workers, of the relay."""

from __future__ import annotations

import shlex

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.tuning.setting_space import TunedSetting
from jobs.management.tune.tune_sources import goal_s_of
from models_registry.core.version import VersionInfo

MANAGE = ".venv/bin/python manage.py"
LONGEST = 63  # characters of a version's name
MOST_LINES = 8  # workers that are started by a line each


def commands_for(info: VersionInfo, goal: LoadGoal, setting: TunedSetting, workers: int) -> list[str]:
    """Return the commands in the order in which they are run; one that would change nothing is left out."""
    commands = []
    words = register_words(info, goal, setting)
    if words:
        commands.append(f"{MANAGE} {shlex.join(words)}")
        commands.append(f"{MANAGE} move_alias {info.model} default {words[2]}")
    lines = workers if workers <= MOST_LINES else 1
    commands += [f"{MANAGE} {worker_words(info.model, setting, index)}" for index in range(lines)]
    if setting.depth:
        commands.append(f"QUEUE_DEPTH={setting.depth} {MANAGE} relay")
    return commands


def register_words(info: VersionInfo, goal: LoadGoal, setting: TunedSetting) -> list[str]:
    """Return the words of the registration; none where the version has these limits already."""
    limits = _changed(info, goal, setting)
    if not limits:
        return []
    name = tuned_name(info, goal, setting)
    flags = [word for flag, value in limits.items() for word in (flag, value)]
    return ["register_model", info.model, name, "--like", info.version, *flags]


def tuned_name(info: VersionInfo, goal: LoadGoal, setting: TunedSetting) -> str:
    """Return a name for the new version that says what it is; the same settings give the same name."""
    padded = f"-p{setting.max_padded_size}" if setting.max_padded_size else ""
    ending = f"-b{setting.max_batch}{padded}-{_goal_word(goal)}"
    return f"{info.version[: LONGEST - len(ending)]}{ending}"


def worker_words(model: str, setting: TunedSetting, index: int) -> str:
    """Return the words that start one worker on a GPU of its own."""
    own = f" --index {index}" if index else ""
    prefetch = f" --prefetch {setting.prefetch}" if setting.prefetch else ""
    return f"gpu_worker --gpu {index}{own} --models {model} --lanes {setting.lanes}{prefetch}"


def _changed(info: VersionInfo, goal: LoadGoal, setting: TunedSetting) -> dict[str, str]:
    goal_s = goal_s_of(goal, info)
    values = {
        "--max-batch": (info.max_batch, setting.max_batch),
        "--max-padded-size": (info.max_padded_size, setting.max_padded_size),
        "--p95-goal-s": (info.p95_goal_s, goal_s),
    }
    return {flag: f"{new:.15g}" for flag, (old, new) in values.items() if old != new}


def _goal_word(goal: LoadGoal) -> str:
    return str(goal).replace("=", "-")
