"""Three models in one worker at once, real sentences of mixed lengths among them, against each run alone.

The jobs of the mixed backlog are those of the three, shuffled. One lane, so that the device runs
no two batches at once, and a perfect interleaving would take the sum of the three times.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.benchmarks.backlog import DEPTH, drained, real, same
from tests.benchmarks.bed import bed
from tests.benchmarks.figure import Figure, at_least

SENTENCES, SLEEPERS, ECHOES = 600, 20_000, 20_000
MODELS = "minilm,sleeper,echo"
SEED = 1


def measure() -> Iterator[Figure]:
    parts = {"minilm": real(SENTENCES), "sleeper": same("sleeper", SLEEPERS), "echo": same("echo", ECHOES)}
    with bed("mixed", ("web", "relay"), env=DEPTH) as ground:
        apart_s = {model: drained(ground, jobs, MODELS).seconds for model, jobs in parts.items()}
        together = [job for jobs in parts.values() for job in jobs]
        random.Random(SEED).shuffle(together)
        mixed_s = drained(ground, together, MODELS).seconds
    yield Figure("apart", ", ".join(f"{model} {seconds:.1f} s" for model, seconds in apart_s.items()))
    yield Figure("together", f"{mixed_s:.1f} s")
    yield at_least("the sum apart over together", sum(apart_s.values()) / mixed_s, 0.9)
