"""`python -m jobs.management.tune.verified_run ORDER`: within a stack, load a version with tuned settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import django
import msgspec

WARM = {"rate": "2", "duration": "1s", "follow": "5m", "slo": []}  # until the version is loaded everywhere
FOLLOW = "2m"
END_S = 60.0


def main(path: str) -> None:
    """Register the version of the order, start its workers, load them, and write what was seen."""
    django.setup()
    from jobs.core.tuning.tune_report import Verified
    from jobs.management.tune.verify import VerifyOrder
    from models_registry.services.register import register_version

    order = msgspec.json.decode(Path(path).read_bytes(), type=VerifyOrder)
    info = register_version(**order.contents)
    with ExitStack() as stack:
        for index in range(order.workers):
            stack.enter_context(_worker(order, info.model, index))
        _loaded(order, str(info), WARM)
        seen = _loaded(order, str(info), _load(order))
    goal = seen.goals[0]
    answer = Verified(
        rate_per_s=order.rate_per_s,
        throughput_per_s=seen.rates.throughput,
        latency_ms=goal.seen_ms,
        verdict=seen.verdict,
        reasons=seen.reasons,
    )
    Path(order.answer).write_bytes(msgspec.json.encode(answer))


def _load(order: Any) -> dict[str, Any]:
    return {
        "rate": str(order.rate_per_s),
        "duration": f"{order.duration_s:g}s",
        "follow": FOLLOW,
        "slo": [order.goal],
    }


def _loaded(order: Any, ref: str, load: dict[str, Any]) -> Any:
    """Return the report of a load test of the stack around this process."""
    from jobs.management.loadtest.load_arguments import LoadArguments, add_load_arguments
    from jobs.management.loadtest.load_run import run_load

    parser = ArgumentParser()
    add_load_arguments(parser)
    options = vars(parser.parse_args([ref])) | load
    options |= {"seed": str(order.seed), "input": [order.input] if order.input else []}
    return run_load(LoadArguments.of(options))


@contextmanager
def _worker(order: Any, model: str, index: int) -> Iterator[None]:
    """Run one worker: on a GPU of its own where there is one for each, and else on the CPU."""
    setting, device = order.setting, ["--gpu", str(index)] if index < _gpus() else ["--cpu"]
    words = ["gpu_worker", *device, "--models", model, "--index", str(index)]
    words += ["--lanes", str(setting.lanes), "--prefetch", str(setting.prefetch)]
    process = subprocess.Popen([sys.executable, "manage.py", *words])
    try:
        yield
    finally:
        process.terminate()
        process.wait(END_S)


def _gpus() -> int:
    """Return how many GPUs this machine has, 0 where nothing can say it."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


if __name__ == "__main__":
    main(sys.argv[1])
