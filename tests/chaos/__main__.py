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
from pathlib import Path

from rich.console import Console

from inference_site.stack.services import PROJECT
from tests.chaos import report
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.table import BY_NAME, SHORT, TABLE
from tests.chaos.round import Round
from tests.chaos.world import Ground

RATE = 200.0  # jobs a second


def main(words: list[str]) -> int:
    arguments = _parser().parse_args(words)
    home = PROJECT / ".run" / "chaos" / str(arguments.seed)
    shutil.rmtree(home, ignore_errors=True)
    console = Console(width=140)
    console.print(f"seed {arguments.seed}")
    faults = _named(arguments)
    grounds = [ground for ground in Ground if any(fault.ground is ground for fault in faults)]
    statuses = list[int]()
    for number, ground in enumerate(grounds):
        mine = [fault for fault in faults if fault.ground is ground]
        statuses.append(_round(arguments, console, home / ground, mine, soaks=number == 0))
    return 1 if 1 in statuses else max(statuses)


def _round(
    arguments: argparse.Namespace, console: Console, home: Path, faults: list[Fault], *, soaks: bool
) -> int:
    """Run one round of faults, which are of one ground; return the exit status."""
    ground = faults[0].ground
    # The short round runs anywhere, beside anything: it shows the waits, and judges the jobs alone.
    bounded = not arguments.short
    chaos = Round(home, seed=arguments.seed, rate=arguments.rate, ground=ground, bounded=bounded)
    chosen = _soaking(arguments, chaos, faults) if soaks else _in_order(faults)
    outcome = chaos.run(_announced(console, chosen))
    report.show(console, outcome, seed=arguments.seed, ground=ground)
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


def _named(arguments: argparse.Namespace) -> list[Fault]:
    """Return the faults that were named, all by default, in the seed's order."""
    names = arguments.fault or (SHORT if arguments.short else [fault.name for fault in TABLE])
    faults = [BY_NAME[name] for name in names]
    random.Random(arguments.seed).shuffle(faults)
    return faults


def _in_order(faults: list[Fault]) -> Iterator[Fault]:
    """Yield the faults, first those that last."""
    yield from sorted(faults, key=lambda fault: not fault.lasts)


def _soaking(arguments: argparse.Namespace, chaos: Round, faults: list[Fault]) -> Iterator[Fault]:
    """Yield the faults, then more of them at random."""
    yield from _in_order(faults)
    chance = random.Random(arguments.seed)
    until = chaos.began + arguments.minutes * 60
    while time.time() < until or (arguments.jobs and chaos.accepted() < arguments.jobs):
        yield chance.choice(faults)


def _announced(console: Console, faults: Iterator[Fault]) -> Iterator[Fault]:
    for fault in faults:
        console.print(f"{time.strftime('%H:%M:%S')} {fault.name}")
        yield fault


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
