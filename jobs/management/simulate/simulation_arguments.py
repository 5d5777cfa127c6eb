"""The options of `manage.py simulate`: their declaration, parsing and values."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Self

from jobs.core.admission.shedding import GOAL_FRACTION
from jobs.core.priority import DEFAULT, HIGHEST, LOWEST

CSV_HELP = "Recorded jobs, with the columns arrival_s,size,priority,client,version,deadline_s."
LOADS = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
SHED_HELP = (
    f"Set the model option `shed`: refuse jobs whose estimated answer comes after {GOAL_FRACTION:.0%}%"
    " of the goal. Jobs that would miss their own deadline or exceed max_waiting are refused without it too."
)


@dataclass(frozen=True, slots=True)
class SimulationArguments:
    """The values of all options, times in seconds; None means the recorded value, or else the default."""

    rate: float | None = None
    loads: tuple[float, ...] | None = None
    burst: int = 0
    duration_s: float = 60.0
    sizes: tuple[int, int] = (1, 1)
    priorities: tuple[int, ...] = (DEFAULT,)
    clients: int = 1
    deadline_s: float | None = None
    csv: str | None = None
    from_history: str | None = None
    limit: int = 100_000
    window_s: float = 86_400.0
    base_s: float | None = None
    per_item_s: float | None = None
    jitter: float | None = None
    max_batch: int | None = None
    max_padded_size: int | None = None
    padded: bool | None = None
    goal_s: float | None = None
    shed: bool = False
    workers: int = 1
    lanes: int = 1
    prefetch: int | None = None
    depth: int = 0
    deliver_s: float | None = None
    claim_s: float | None = None
    settle_s: float | None = None
    seed: int = 1
    png: str | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """Take the values from parsed options."""
        return cls(**{field.name: options[field.name] for field in fields(cls)})


def add_arguments(parser: ArgumentParser) -> None:
    """Declare every option, with the default of its field above."""
    _add_jobs(parser.add_argument_group("jobs"))
    _add_model(parser.add_argument_group("model"))
    _add_workers(parser.add_argument_group("workers"))
    parser.add_argument(
        "--seed", type=_whole, help="Seed of all random numbers; equal seeds give equal runs."
    )
    parser.add_argument("--png", metavar="FILE", help="Draw latency and throughput against load.")
    parser.set_defaults(**{field.name: field.default for field in fields(SimulationArguments)})


def _add_jobs(group: Any) -> None:
    source = group.add_mutually_exclusive_group()
    source.add_argument("--rate", type=_positive, help="Jobs a second, arriving independently of each other.")
    source.add_argument("--loads", type=_loads, help="One run for each share of the capacity: 0.2,0.5,0.9.")
    source.add_argument(
        "--csv",
        metavar="FILE",
        help=CSV_HELP,
    )
    source.add_argument("--from-history", metavar="MODEL", help="Recorded jobs of a model, from Postgres.")
    group.add_argument("--burst", type=_count, metavar="N", help="Jobs arrive N at a time, at the same rate.")
    group.add_argument("--duration-s", type=_positive, help="Seconds during which jobs arrive.")
    group.add_argument(
        "--sizes", type=_range, metavar="LOW-HIGH", help="Sizes, drawn evenly from a range: 20-200."
    )
    group.add_argument("--priorities", type=_priorities, help="Priorities, drawn evenly: 0,4,9.")
    group.add_argument("--clients", type=_count, help="Number of client apps that submit the jobs.")
    group.add_argument("--deadline-s", type=_positive, help="Deadline of each job, from its submit.")
    group.add_argument("--limit", type=_count, help="Simulate no more than the newest LIMIT recorded jobs.")
    group.add_argument(
        "--window-s",
        type=_positive,
        help="Learn times from the last so many seconds; a day.",
    )


def _add_model(group: Any) -> None:
    group.add_argument("--base-s", type=_seconds, help="Fixed seconds of a run.")
    group.add_argument(
        "--per-item-s", type=_seconds, help="Seconds for each item, or with --pads each padded unit."
    )
    group.add_argument("--jitter", type=_share, help="Share by which the time of a run varies.")
    group.add_argument("--max-batch", type=_count, help="Most items in a batch.")
    group.add_argument("--max-padded-size", type=_none_or_more, help="Most items times the longest; 0: none.")
    group.add_argument("--pads", dest="padded", action="store_true", help="Pad a batch to its longest item.")
    group.add_argument("--goal-s", type=_positive, help="p95 goal of the model version.")
    group.add_argument("--shed", action="store_true", help=SHED_HELP)


def _add_workers(group: Any) -> None:
    group.add_argument("--workers", type=_count, help="Number of worker processes, one for each device.")
    group.add_argument("--lanes", type=_count, help="Batches that run at once on each worker.")
    group.add_argument("--prefetch", type=_count, help="Most jobs that a worker holds.")
    group.add_argument(
        "--depth", type=_none_or_more, help="Jobs that a queue of the broker holds; 0: as the relay chooses."
    )
    group.add_argument("--deliver-s", type=_seconds, help="Seconds from submit to the queue.")
    group.add_argument("--claim-s", type=_seconds, help="Seconds to claim a batch.")
    group.add_argument("--settle-s", type=_seconds, help="Seconds to settle a batch.")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no number") from None
    if not isfinite(value):
        raise ArgumentTypeError(f"{text} is no number that can be simulated")
    return value


def _positive(text: str) -> float:
    value = _number(text)
    if value <= 0.0:
        raise ArgumentTypeError(f"{text} is not above 0")
    return value


def _seconds(text: str) -> float:
    value = _number(text)
    if value < 0.0:
        raise ArgumentTypeError(f"{text} is below 0")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0.0 <= value <= 1.0:
        raise ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no whole number") from None


def _none_or_more(text: str) -> int:
    value = _whole(text)
    if value < 0:
        raise ArgumentTypeError(f"{text} is below 0")
    return value


def _count(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise ArgumentTypeError(f"{text} is not at least 1")
    return value


def _loads(text: str) -> tuple[float, ...]:
    return tuple(map(_positive, text.split(",")))


def _priorities(text: str) -> tuple[int, ...]:
    priorities = tuple(map(_whole, text.split(",")))
    if not set(priorities) <= set(range(LOWEST, HIGHEST + 1)):
        raise ArgumentTypeError(f"a priority must be {LOWEST} to {HIGHEST}")
    return priorities


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    sizes = _whole(low), _whole(high or low)
    if not 1 <= sizes[0] <= sizes[1]:
        raise ArgumentTypeError("sizes must be at least 1, and LOW at most HIGH")
    return sizes
