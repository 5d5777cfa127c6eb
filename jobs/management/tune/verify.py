"""Runs tuned settings on real workers, in a stack of its own that is thrown away afterwards.

Nothing is registered where the platform runs: the stack has its own Postgres and RabbitMQ, the version is
registered there under its tuned name, and the load generator of `manage.py loadtest` loads it. The stack is
started as its command line does, because this layer knows no supervisor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from jobs.core.loadtest.load_words import LoadWordError
from jobs.core.tuning.setting_space import TunedSetting
from jobs.core.tuning.tune_report import Verified
from jobs.management.tune.tune_arguments import TuneArguments
from jobs.management.tune.tune_commands import tuned_name
from jobs.management.tune.tune_run import TuneRun, goal_of
from jobs.management.tune.tune_sources import goal_s_of
from models_registry.models import ModelVersion
from models_registry.services.register import CONTENTS

OWN = ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL", "STACK_JSON")  # of the platform that runs
PROGRAMS = "web,stream,relay"


class VerifyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the command within the stack is to do; `contents` are the columns of the version."""

    contents: dict[str, Any]
    setting: TunedSetting
    workers: int
    goal: str
    rate_per_s: float
    duration_s: float
    seed: int
    input: str
    answer: str


def check_verify(arguments: TuneArguments) -> None:
    """Raise LoadWordError where the inputs of a verification cannot be read, before anything is simulated."""
    if arguments.verify and arguments.input is not None and not arguments.input.is_file():
        raise LoadWordError(f"--input {arguments.input} is no file")


def verify(run: TuneRun, arguments: TuneArguments) -> Verified:
    """Load real workers with the tuned settings at the rate that was asked for; LoadWordError: no stack."""
    asked = run.report.asked
    if asked is None:
        raise LoadWordError("--verify: there are no settings to run")
    with TemporaryDirectory() as folder:
        answer, file = Path(folder, "verified.json"), Path(folder, "order.json")
        order = _order(run, arguments, answer)
        file.write_bytes(msgspec.json.encode(order))
        ended = subprocess.run(
            [*_stack(asked.setting), sys.executable, "-m", "jobs.management.tune.verified_run", str(file)],
            env={name: value for name, value in os.environ.items() if name not in OWN},
            check=False,
            stdout=sys.stderr,
        )
        if ended.returncode or not answer.exists():
            raise LoadWordError("--verify: the stack or its load test failed; its messages are above")
        return msgspec.json.decode(answer.read_bytes(), type=Verified)


def _order(run: TuneRun, arguments: TuneArguments, answer: Path) -> VerifyOrder:
    asked, report, info = run.report.asked, run.report, run.task.info
    assert asked is not None  # noqa: S101  # `verify` has checked it
    row = ModelVersion.objects.get(id=info.id)
    goal, setting = goal_of(report), asked.setting
    limits = {
        "max_batch": setting.max_batch,
        "max_padded_size": setting.max_padded_size,
        "p95_goal_s": goal_s_of(goal, info),
    }
    names = {"name": info.model, "version": tuned_name(info, goal, setting)}
    return VerifyOrder(
        contents={column: getattr(row, column) for column in CONTENTS} | limits | names,
        setting=setting,
        workers=report.workers,
        goal=report.goal,
        rate_per_s=asked.rate_per_s,
        duration_s=arguments.duration_s,
        seed=arguments.seed,
        input=str(arguments.input.resolve()) if arguments.input else "",
        answer=str(answer),
    )


def _stack(setting: TunedSetting) -> list[str]:
    depth = f"QUEUE_DEPTH={setting.depth}"
    words = ["-m", "inference_site.stack", "run", "--only", PROGRAMS, "--fragile", "--env", depth, "--"]
    return [sys.executable, *words]
