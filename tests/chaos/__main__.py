"""`python -m tests.chaos`: faults under load, on a stack of its own.

Exit status 1 on any violation, 2 where no more is wrong than that a fault hit nothing.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from collections.abc import Iterator

from rich.console import Console

from inference_site.stack.services import PROJECT
from tests.chaos import report
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.table import BY_NAME, SHORT, TABLE
from tests.chaos.round import Round

RATE = 200.0  # jobs a second


def main(words: list[str]) -> int:
    arguments = _parser().parse_args(words)
    home = PROJECT / ".run" / "chaos" / str(arguments.seed)
    shutil.rmtree(home, ignore_errors=True)
    console = Console(width=140)
    console.print(f"seed {arguments.seed}")
    chaos = Round(home, seed=arguments.seed, rate=arguments.rate)
    outcome = chaos.run(_announced(console, _chosen(arguments, chaos)))
    report.show(console, outcome, seed=arguments.seed)
    report.save(home / "verdict.json", outcome, seed=arguments.seed)
    console.print(f"{home}/history.jsonl", soft_wrap=True)
    return report.status(outcome)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=0.0, help="soak: go on with random faults")
    parser.add_argument("--jobs", type=int, default=0, help="go on until so many jobs were accepted")
    parser.add_argument("--rate", type=float, default=RATE, help="jobs a second that the load posts")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--fault", action="append", choices=list(BY_NAME), metavar="NAME", default=[])
    which.add_argument("--short", action="store_true", help="a round of six minutes at most")
    parser.epilog = "faults: " + "; ".join(BY_NAME)
    return parser


def _chosen(arguments: argparse.Namespace, chaos: Round) -> Iterator[Fault]:
    """Yield the named faults, all by default, in the seed's order; then more at random."""
    named = arguments.fault or (SHORT if arguments.short else [fault.name for fault in TABLE])
    chance = random.Random(arguments.seed)
    faults = [BY_NAME[name] for name in named]
    chance.shuffle(faults)
    yield from sorted(faults, key=lambda fault: not fault.lasts)
    until = chaos.began + arguments.minutes * 60
    while time.time() < until or (arguments.jobs and chaos.accepted() < arguments.jobs):
        yield chance.choice(faults)


def _announced(console: Console, faults: Iterator[Fault]) -> Iterator[Fault]:
    for fault in faults:
        console.print(f"{time.strftime('%H:%M:%S')} {fault.name}")
        yield fault


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
