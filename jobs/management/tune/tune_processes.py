"""Asks the simulator on all cores: one process each, with the workload in its memory."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.arrivals import Chance
from jobs.core.tuning.evaluation import Ask, Estimated, Question, answer
from jobs.core.tuning.workload import Workload
from models_registry.shared.process_end import end_with_parent

_own: list[tuple[Workload, LoadGoal]] = []  # what this process simulates


def chance_of(seed: int) -> Chance:
    """Return the random numbers of a seed."""
    return random.Random(seed).random  # noqa: S311  # it must be repeatable, not secret


@contextmanager
def processes(workload: Workload, goal: LoadGoal) -> Iterator[Ask]:
    """Yield what answers questions, in as many processes as this one may use cores.

    They are started afresh and not forked, because this one may have threads and connections. They end with
    this one, also where a signal ends it in the middle.
    """
    cores, own = len(os.sched_getaffinity(0)), (os.getpid(), workload, goal)
    with ProcessPoolExecutor(cores, get_context("spawn"), _prepare, own) as pool:

        def ask(questions: Sequence[Question]) -> list[Estimated]:
            return list(pool.map(_answer, questions))

        yield ask


def _prepare(parent: int, workload: Workload, goal: LoadGoal) -> None:
    end_with_parent(parent)
    collect_rarely()
    _own.append((workload, goal))


def collect_rarely() -> None:
    """Collect no garbage within a simulation, where that takes 15 % of its time: see `collected`."""
    gc.freeze()
    gc.disable()


def collected(workload: Workload, goal: LoadGoal, question: Question) -> Estimated:
    """Answer, and collect what the simulation leaves: its parts know each other, some 600 bytes a job."""
    answered = answer(workload, goal, question)
    gc.collect()
    return answered


def _answer(question: Question) -> Estimated:
    return collected(*_own[-1], question)
