"""Where a load test takes its target, its jobs and their inputs from."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import NamedTuple

import msgspec
from django.conf import settings

from jobs.core.errors import PlatformError
from jobs.core.loadtest.load_plan import PlannedCall, calls_of, drawn_jobs, replayed_jobs
from jobs.core.loadtest.load_words import LoadWordError
from jobs.core.loadtest.replay_file import ReplayError, from_the_start, parse_replay
from jobs.core.loadtest.send_times import send_times
from jobs.core.simulation.arrivals import Arrival
from jobs.management.loadtest.load_arguments import LoadArguments
from jobs.services.reads.history import recorded_jobs

PROJECT = Path(__file__).resolve().parents[3]
DAY_S = 86_400
LONGEST_S = 7 * DAY_S
MOST_REPLAYED, MOST_JOBS = 1_000_000, 5_000_000  # each takes some 500 bytes of memory here


class LoadTarget(NamedTuple):
    """The API's address, and a token for each client app."""

    url: str
    tokens: list[str]


def target_of(arguments: LoadArguments) -> LoadTarget:
    """Return the target that is named, or the stack of this checkout; LoadWordError."""
    tokens, url = arguments.tokens, arguments.url
    if not url or not tokens:
        stack = _stack()
        if url and stack.get("api", "").rstrip("/") != url.rstrip("/"):
            raise LoadWordError(f"--token is missing: a token of {url}, from `manage.py create_token`")
        url, tokens = url or stack["api"], tokens or [stack["token"]]
    if arguments.clients > len(tokens):
        raise LoadWordError(f"--clients {arguments.clients} needs as many --token; there are {len(tokens)}")
    return LoadTarget(url, tokens[: max(arguments.clients, 1)] if arguments.clients > 1 else tokens)


def _stack() -> dict[str, str]:
    path = Path(settings.INFERENCE.stack_json or PROJECT / ".run" / "stack.json")
    try:
        stack: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        raise LoadWordError("no stack runs here: start it by `make up`, or give --url and --token") from None
    return stack


def planned_calls(arguments: LoadArguments, clients: int) -> list[PlannedCall]:
    """Return all calls of the test, in order; LoadWordError where a replay cannot be used."""
    chance = random.Random(arguments.seed).random  # noqa: S311  # it must be repeatable, not secret
    mix = arguments.mix
    if arguments.replay:
        jobs = replayed_jobs(_recording(arguments.replay), mix, clients, arguments.speed, chance)
        if jobs[-1].at_s > LONGEST_S:
            raise LoadWordError(
                f"--replay {arguments.replay}: that would take {jobs[-1].at_s / DAY_S:,.3g} days, more than"
                f" {LONGEST_S // DAY_S}; take a greater --speed, or a part of the recording"
            )
    else:
        if arguments.rate * arguments.duration_s > MOST_JOBS:
            raise LoadWordError(
                f"--rate: that would be more than {MOST_JOBS:,} jobs; take a shorter --duration"
            )
        times = send_times(arguments.profile, arguments.rate, arguments.duration_s, chance)
        jobs = drawn_jobs(times, mix, clients, chance)
    return calls_of(jobs, arguments.bulk)


def _recording(source: str) -> list[Arrival]:
    path = Path(source)
    if path.suffix or path.exists():
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return parse_replay(file)
        except ReplayError as error:
            raise LoadWordError(f"--replay {source}: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise LoadWordError(f"--replay {source} cannot be read: {error}") from None
    try:
        arrivals = recorded_jobs(source, limit=MOST_REPLAYED)
    except PlatformError as error:
        raise LoadWordError(f"--replay {source}: {error}") from None
    if not arrivals:
        raise LoadWordError(
            f"--replay {source}: there is no file of that name, and no stored job of such a model"
        )
    return from_the_start(arrivals)


def read_inputs(path: Path) -> list[msgspec.Raw]:
    """Return the inputs of a file, one a line; LoadWordError names the line that is no JSON."""
    inputs = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    inputs.append(_raw(line, path, number))
    except OSError as error:
        raise LoadWordError(f"--input {path} cannot be read: {error.strerror}") from None
    if not inputs:
        raise LoadWordError(f"--input {path}: there is no input in it")
    return inputs


def _raw(line: bytes, path: Path, number: int) -> msgspec.Raw:
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LoadWordError(f"--input {path}: line {number} is no JSON: {error}") from None
    return msgspec.Raw(line.strip())
