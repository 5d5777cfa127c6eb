"""`python -m tests.smoke`: compose's configuration, natively on loopback, while parts of it die and return.

Exit status 1 if a job was lost or doubled, answers paused for over 30 s, or anything else is wrong;
77 where the test did not run: the last lines say what is missing.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from inference_site.stack.leash import end_recorded
from inference_site.stack.services import PROJECT
from inference_site.stack.stack_errors import AlreadyRunningError, StackError
from inference_site.stack.supervisor_lock import supervisor_lock
from tests.smoke import report, tools
from tests.smoke.faults import SHORT, WHOLE
from tests.smoke.round import Round
from tests.smoke.world import World
from tests.support.did_not_run import did_not_run

RATE, JOBS, SHORT_JOBS = 80.0, 20_000, 4_000


def main(words: list[str]) -> int:
    """Run, print and return the exit status."""
    arguments = _parser().parse_args(words)
    try:
        tools.fetch()
    except StackError as error:
        return did_not_run("make smoke", error)
    root = PROJECT / ".run" / "smoke"
    try:
        with supervisor_lock(root):
            return _run(arguments, root, Console(width=160))
    except AlreadyRunningError:
        print("error: a smoke test already runs in this checkout", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, root: Path, console: Console) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {text}", highlight=False, soft_wrap=True)

    home = root / "stack"
    for folder in (home, *home.glob("*/")):
        end_recorded(folder)  # of a run that was killed
    shutil.rmtree(home, ignore_errors=True)
    jobs = arguments.jobs or (SHORT_JOBS if arguments.short else JOBS)
    ground = Round(World(home), seed=arguments.seed, rate=arguments.rate, jobs=jobs, say=say)
    outcome = ground.run(SHORT if arguments.short else WHOLE)
    report.show(console, outcome)
    report.save(home / "verdict.json", outcome)
    say(f"seed {arguments.seed}; logs and verdict.json in {home}")
    return report.status(outcome)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.smoke", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=0, help="go on until so many jobs were accepted")
    parser.add_argument("--rate", type=float, default=RATE, help="jobs a second that are posted")
    parser.add_argument("--short", action="store_true", help="one death of each, in three minutes at most")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
