"""Optuna's sampler as a process: it writes a suggestion a line, and reads what it was worth.

It runs in an environment of its own, so it knows the sizes of the axes and nothing of this project.
"""

from __future__ import annotations

import json
import sys

import optuna  # type: ignore[import-not-found]  # in its own environment


def main(axes: list[int], seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    while True:
        trial = study.ask()
        print(json.dumps([trial.suggest_int(str(n), 0, size - 1) for n, size in enumerate(axes)]), flush=True)
        worth = sys.stdin.readline()
        if not worth:
            return
        study.tell(trial, float(worth))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[2:]], int(sys.argv[1]))
