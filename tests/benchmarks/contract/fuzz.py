"""Cases generated from the API's own description, on a real stack: no server error, no undocumented answer.

The generator has an environment of its own under `.run/`. Each round has another seed, until there are
enough cases.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from inference_site.stack.services import PROJECT
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.environment import python_with
from tests.benchmarks.figure import Figure, at_least, at_most

HERE = Path(__file__).parent
PINS = HERE / "requirements.txt"
CASES, EXAMPLES, MOST_ROUNDS = 20_000, 500, 20
_GENERATED, _FAILED = re.compile(r"([\d,]+) generated"), re.compile(r"(\d+) unique failures?")
_ERRORS = re.compile(r"(\d+) errors?\b")


def measure() -> Iterator[Figure]:
    cases = failures = rounds = 0
    with bed("contract", ("web", "stream", "relay", "gpu-worker-0")) as ground:
        while cases < CASES and rounds < MOST_ROUNDS:
            report = _round(ground, seed=rounds)
            cases, rounds = cases + _count(_GENERATED, report), rounds + 1
            failures += _count(_FAILED, report) + _count(_ERRORS, report.splitlines()[-1])
            (PROJECT / ".run" / f"contract-{rounds}.txt").write_text(report)
    yield at_least("generated cases", cases, CASES)
    yield at_most("failed checks and errors of the run", failures, 0)
    yield Figure("rounds, reported in .run/contract-N.txt", str(rounds))


def _round(ground: Bed, *, seed: int) -> str:
    info = ground.stack.info
    # Every check is on by itself; named here, none could be left out for one call.
    words = [
        str(Path(python_with("contract", PINS)).with_name("schemathesis")),
        "--config-file", str(HERE / "schemathesis.toml"),
        "run", f"{info['api']}/api/v1/openapi.json", "--url", info["api"],
        "-H", f"Authorization: Bearer {info['token']}",
        "--max-examples", str(EXAMPLES), "--seed", str(seed), "--continue-on-failure",
    ]  # fmt: skip
    hooks = {"SCHEMATHESIS_HOOKS": "tests.benchmarks.contract.hooks", "PYTHONPATH": str(PROJECT)}
    home = PROJECT / ".run" / "contract"  # it keeps notes where it runs
    done = subprocess.run(
        words, env={**os.environ, **hooks}, cwd=home, check=False, capture_output=True, text=True
    )
    return done.stdout


def _count(pattern: re.Pattern[str], report: str) -> int:
    match = pattern.search(report)
    return int(match[1].replace(",", "")) if match else 0
