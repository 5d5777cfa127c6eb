"""The options of `manage.py tune`: their declaration, and their values once they make sense."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Self, TypeVar

from jobs.core.loadtest.load_words import LoadGoal, LoadWordError, parse_duration, parse_goals, parse_rate
from jobs.core.tuning.tune import MOST_WORKERS

WINDOW, MOST_BATCH, MOST_LANES = "24h", "256", "4"
LARGEST_BATCH, MOST_LANES_EVER, LARGEST_SIZE, MOST_DIGITS = 16_384, 32, 100_000_000, 18
OUT = ".run/tune"
USAGE = (
    "%(prog)s MODEL --goal p95=200ms [--rate R | --from-history] [--workers N | --min-workers]; --help lists"
    " all"
)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class HandTimes:
    """Times given by hand, in seconds; None: learned, or else nothing."""

    base_s: float | None = None
    per_item_s: float | None = None
    jitter: float | None = None
    crowding: float | None = None
    deliver_s: float | None = None
    claim_s: float | None = None
    settle_s: float | None = None

    @property
    def are_enough(self) -> bool:
        """Return whether a run's time is known without history."""
        return self.base_s is not None and self.per_item_s is not None


@dataclass(frozen=True, slots=True)
class TuneArguments:
    """The values of all options; `workers` is None for as few as possible, `rate` None for the highest."""

    model: str
    goal: LoadGoal
    rate: float | None
    from_history: bool
    workers: int | None
    window_s: float
    times: HandTimes
    sizes: tuple[int, int] | None
    most_batch: int
    most_lanes: int
    seed: int
    verify: bool
    input: Path | None
    duration_s: float
    out: Path

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """Take the values from parsed options; LoadWordError says which of them makes no sense."""
        _exclude(options)
        goals = _checked("--goal", parse_goals, options["goal"])
        if len(goals) != 1:
            raise LoadWordError("--goal: give one goal, such as p95=200ms")
        times = HandTimes(**{name: _seconds(name, options[name]) for name in HandTimes.__slots__})
        return cls(
            model=options["model"],
            goal=goals[0],
            rate=None if options["rate"] is None else _checked("--rate", parse_rate, options["rate"]),
            from_history=options["from_history"],
            workers=None if options["min_workers"] else _workers(options["workers"] or "1"),
            window_s=_checked("--window", parse_duration, options["window"]),
            times=times,
            sizes=None if options["sizes"] is None else _range(options["sizes"]),
            most_batch=_count("--most-batch", options["most_batch"], LARGEST_BATCH),
            most_lanes=_count("--most-lanes", options["most_lanes"], MOST_LANES_EVER),
            seed=_whole("--seed", options["seed"]),
            verify=options["verify"],
            input=Path(options["input"]) if options["input"] else None,
            duration_s=_checked("--duration", parse_duration, options["duration"]),
            out=Path(options["out"]),
        )


def add_tune_arguments(parser: ArgumentParser) -> None:
    """Declare every option. All are texts here, so that one sentence says what is wrong with a value."""
    parser.add_argument("model", help="the model to tune: name, name:version or name@alias")
    parser.add_argument("--goal", required=True, help="p95=200ms: the percentile of submit to stored result")
    _add_load(parser.add_argument_group("the load; without a rate, the highest within the goal is searched"))
    _add_times(parser.add_argument_group("times by hand, as in `simulate`, instead of those on record"))
    _add_search(parser.add_argument_group("the search, and what becomes of its result"))


def _add_load(group: Any) -> None:
    group.add_argument("--rate", help="jobs a second, arriving independently of each other")
    group.add_argument(
        "--from-history", action="store_true", help="the model's recorded jobs, and their rate"
    )
    group.add_argument("--workers", help="workers, one a device; 1 if missing")
    group.add_argument("--min-workers", action="store_true", help="find the fewest workers that do")
    group.add_argument("--window", default=WINDOW, help="how far back the history goes; default: %(default)s")
    group.add_argument("--sizes", metavar="LOW-HIGH", help="sizes of the jobs of a model that pads")


def _add_times(group: Any) -> None:
    group.add_argument("--base-s", help="fixed seconds of a run")
    group.add_argument("--per-item-s", help="seconds for each item, or for each padded unit")
    group.add_argument("--jitter", help="share by which the time of a run varies")
    group.add_argument("--crowding", help="share by which each other busy lane makes a run longer; by hand 1")
    group.add_argument("--deliver-s", help="seconds from submit to the worker")
    group.add_argument("--claim-s", help="seconds to claim a batch")
    group.add_argument("--settle-s", help="seconds to settle a batch")


def _add_search(group: Any) -> None:
    group.add_argument(
        "--most-batch", default=MOST_BATCH, help="largest max_batch to try; default: %(default)s"
    )
    group.add_argument("--most-lanes", default=MOST_LANES, help="most lanes to try; default: %(default)s")
    group.add_argument("--seed", default="1", help="seed of all random numbers")
    group.add_argument("--out", metavar="DIR", default=OUT, help="tune.json, front.png; default: %(default)s")
    group.add_argument(
        "--verify", action="store_true", help="run the settings on a real worker, in a stack of its own"
    )
    group.add_argument("--input", metavar="FILE.jsonl", help="inputs for --verify; by default the example")
    group.add_argument("--duration", default="30s", help="of --verify's load; default: %(default)s")


def _exclude(options: dict[str, Any]) -> None:
    if options["rate"] is not None and options["from_history"]:
        raise LoadWordError("--rate and --from-history: the recorded jobs have a rate")
    if options["workers"] is not None and options["min_workers"]:
        raise LoadWordError("--workers and --min-workers: give a number, or let it be found")
    if options["min_workers"] and options["rate"] is None and not options["from_history"]:
        raise LoadWordError("--min-workers needs --rate or --from-history: for which load?")


def _checked(option: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except LoadWordError as error:
        raise LoadWordError(f"{option}: {error}") from None


def _seconds(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    option = f"--{name.replace('_', '-')}"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (isfinite(value) and value >= 0.0):
        raise LoadWordError(f"{option}: {text} is no number of at least 0, such as 0.005")
    return value


def _whole(option: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise LoadWordError(f"{option}: {text} is no whole number")
    if len(text) > MOST_DIGITS:  # the report holds no larger one
        raise LoadWordError(f"{option}: {text} has more than {MOST_DIGITS} digits")
    return int(text)


def _count(option: str, text: str, most: int = LARGEST_SIZE) -> int:
    count = _whole(option, text)
    if not 1 <= count <= most:
        raise LoadWordError(f"{option}: {text} is not from 1 to {most:,}")
    return count


def _workers(text: str) -> int:
    return _count("--workers", text, MOST_WORKERS)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    sizes = _count("--sizes", low), _count("--sizes", high or low)
    if sizes[0] > sizes[1]:
        raise LoadWordError(f"--sizes: {text} runs backwards; write the lower number first, such as 20-200")
    return sizes
