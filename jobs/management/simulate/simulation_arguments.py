"""The command's options, as a person writes them and as values."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass, fields
from typing import Any, Self

from jobs.core.priority import DEFAULT, HIGHEST, LOWEST

LOADS = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class SimulationArguments:
    """What is asked for; times in seconds. None leaves a setting to what is recorded, or to its default."""

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
    base_s: float | None = None
    per_item_s: float | None = None
    jitter: float = 0.0
    max_batch: int | None = None
    max_padded_size: int | None = None
    padded: bool | None = None
    goal_s: float | None = None
    shed: bool = False
    workers: int = 1
    lanes: int = 1
    prefetch: int | None = None
    deliver_s: float = 0.0
    claim_s: float = 0.0
    settle_s: float = 0.0
    seed: int = 1
    png: str | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """Return the parsed options as a value."""
        return cls(**{field.name: options[field.name] for field in fields(cls)})


def add_arguments(parser: ArgumentParser) -> None:
    """Declare every option, its default that of Asked."""
    _add_jobs(parser.add_argument_group("jobs"))
    _add_model(parser.add_argument_group("model"))
    _add_workers(parser.add_argument_group("workers"))
    parser.add_argument("--seed", type=int, help="Of all chance; the same seed, the same run.")
    parser.add_argument("--png", metavar="FILE", help="Draw latency and throughput against load.")
    parser.set_defaults(**{field.name: field.default for field in fields(SimulationArguments)})


def _add_jobs(group: Any) -> None:
    source = group.add_mutually_exclusive_group()
    source.add_argument("--rate", type=_positive, help="Jobs a second, independent of each other.")
    source.add_argument("--loads", type=_loads, help="Shares of the capacity, a run each: 0.2,0.5,0.9.")
    source.add_argument("--csv", metavar="FILE", help="Recorded: arrival_s,size,priority,client,version.")
    source.add_argument("--from-history", metavar="MODEL", help="Recorded: the model's jobs, from Postgres.")
    group.add_argument("--burst", type=_count, metavar="N", help="N at once, as seldom as the rate asks.")
    group.add_argument("--duration-s", type=_positive, help="How long jobs come.")
    group.add_argument("--sizes", type=_range, metavar="LOW-HIGH", help="Sizes, drawn evenly: 20-200.")
    group.add_argument("--priorities", type=_priorities, help="Priorities, drawn evenly: 0,4,9.")
    group.add_argument("--clients", type=_count, help="How many apps the jobs are of.")
    group.add_argument("--deadline-s", type=_positive, help="What each job gives its answer.")
    group.add_argument("--limit", type=_count, help="Recorded jobs at most, the newest.")


def _add_model(group: Any) -> None:
    group.add_argument("--base-s", type=float, help="What a run takes whatever its size.")
    group.add_argument("--per-item-s", type=float, help="And for each item, or padded unit with --pads.")
    group.add_argument("--jitter", type=float, help="Share by which runs take more or less.")
    group.add_argument("--max-batch", type=_count, help="Items a batch.")
    group.add_argument("--max-padded-size", type=int, help="Items times the longest, 0 for no limit.")
    group.add_argument("--pads", dest="padded", action="store_true", help="Items are padded to the longest.")
    group.add_argument("--goal-s", type=_positive, help="The version's p95 goal.")
    group.add_argument("--shed", action="store_true", help="Refuse at admission what would miss the goal.")


def _add_workers(group: Any) -> None:
    group.add_argument("--workers", type=_count, help="Processes, one a device.")
    group.add_argument("--lanes", type=_count, help="Batches that run at once on each.")
    group.add_argument("--prefetch", type=_count, help="Jobs that a worker holds at most.")
    group.add_argument("--deliver-s", type=float, help="From submit to the queue.")
    group.add_argument("--claim-s", type=float, help="A batch's claim.")
    group.add_argument("--settle-s", type=float, help="A batch's settle.")


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0.0:
        raise ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ArgumentTypeError(f"{text} is not at least 1")
    return value


def _loads(text: str) -> tuple[float, ...]:
    return tuple(map(_positive, text.split(",")))


def _priorities(text: str) -> tuple[int, ...]:
    found = tuple(map(int, text.split(",")))
    if not set(found) <= set(range(LOWEST, HIGHEST + 1)):
        raise ArgumentTypeError(f"a priority is {LOWEST} to {HIGHEST}")
    return found


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    found = int(low), int(high or low)
    if not 1 <= found[0] <= found[1]:
        raise ArgumentTypeError("sizes are at least 1, and LOW is not above HIGH")
    return found
