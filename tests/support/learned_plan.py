"""The plan that the simulator learns from a stack's history.

`python -m tests.support.learned_plan MODEL VERSION WINDOW_S` prints it as JSON, in a process of its own
with the settings of the stack, because this one has others or none.
"""

from __future__ import annotations

import subprocess
import sys

import django
import msgspec

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from jobs.core.simulation.plan import SimulationPlan
from tests.support.app import stack_env


def learned(stack: Stack, model: str, version: str, *, window_s: float) -> SimulationPlan:
    """Return the plan of a version on one worker with one lane, learned from the last `window_s`."""
    words = [sys.executable, "-m", "tests.support.learned_plan", model, version, str(window_s)]
    env = stack_env(stack)
    done = subprocess.run(words, env=env, cwd=PROJECT, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=SimulationPlan)


def _print(model: str, version: str, window_s: str) -> None:
    django.setup()
    from jobs.services.simulation.learned_plan import learned_plan

    plan = learned_plan(model=model, version=version, window_s=float(window_s))
    sys.stdout.buffer.write(msgspec.json.encode(plan))


if __name__ == "__main__":
    _print(*sys.argv[1:4])
