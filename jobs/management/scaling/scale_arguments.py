"""The options of `manage.py autoscale`, checked: a mistake names its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.core.management.base import CommandParser

from jobs.core.errors import PlatformError
from jobs.management.scaling.host_gpus import ALL, chosen_gpus
from models_registry.management.environment_option import add_environment

DRAIN, LEAVE = "drain", "leave"


class ScaleOptionError(PlatformError):
    """An option cannot be used."""

    code = "scale_option"


@dataclass(frozen=True, slots=True)
class ScaleArguments:
    """What to scale, between which bounds, on which devices, and what becomes of the workers at the end."""

    models: tuple[str, ...]
    lowest: int
    highest: int
    gpus: tuple[str, ...]
    cpus: int
    first_index: int
    on_stop: str
    options: tuple[str, ...]
    log_dir: Path | None

    @classmethod
    def of(
        cls,
        options: Mapping[str, Any],
        *,
        known: Callable[[], Sequence[str]],
        gpus: Callable[[str], tuple[str, ...]] = chosen_gpus,
    ) -> Self:
        """Check the options; `known` returns the registered models. ScaleOptionError, NoSuchGpuError."""
        _check_bounds(options)
        places = () if options["cpu"] else gpus(options["gpus"] or ALL)
        room = options["cpu"] or len(places)
        highest = room if options["max"] is None else options["max"]
        if highest > room:
            what = "CPU workers of --cpu" if options["cpu"] else "GPUs of --gpus"
            raise ScaleOptionError(f"--max {highest}: there is room for {room} workers, the {what}.")
        if options["min"] > highest:
            raise ScaleOptionError(f"--min {options['min']}: there is room for {room} workers.")
        return cls(
            models=_models(options["models"], known()),
            lowest=options["min"],
            highest=highest,
            gpus=places,
            cpus=options["cpu"] or 0,
            first_index=options["first_index"],
            on_stop=options["on_stop"],
            options=_worker_options(options),
            log_dir=options["log_dir"],
        )


def _check_bounds(options: Mapping[str, Any]) -> None:
    if options["min"] < 0:
        raise ScaleOptionError(f"--min {options['min']}: it is 0 or more.")
    if options["max"] is not None and options["max"] < max(1, options["min"]):
        raise ScaleOptionError(
            f"--max {options['max']}: it is 1 or more, and not under --min {options['min']}."
        )
    if options["cpu"] is not None and options["cpu"] < 1:
        raise ScaleOptionError(f"--cpu {options['cpu']}: it is 1 or more.")
    if options["cpu"] is not None and options["gpus"]:
        raise ScaleOptionError("--cpu and --gpus: name one of them; a host's workers are all of one kind.")
    if options["first_index"] < 0:
        raise ScaleOptionError(f"--first-index {options['first_index']}: it is 0 or more.")
    if options["log_dir"] is not None and not options["log_dir"].is_dir():
        raise ScaleOptionError(f"--log-dir {options['log_dir']}: there is no such folder.")


def _models(words: str, known: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in words.split(",") if name.strip()))
    if not names:
        raise ScaleOptionError("--models: name one model or more, with commas.")
    if unknown := [name for name in names if name not in known]:
        raise ScaleOptionError(
            f"--models: no such model: {', '.join(unknown)}; there are {', '.join(known) or 'none yet'}."
        )
    return names


def _worker_options(options: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("lanes", "memory_budget", "env", "requirements")
    given = ((f"--{name.replace('_', '-')}", options[name]) for name in names if options[name] is not None)
    return tuple(str(word) for pair in given for word in pair)


def add_scale_arguments(parser: CommandParser) -> None:
    """Let the command take the options."""
    parser.add_argument(
        "--models", required=True, help="Names of models, with commas; each worker serves all."
    )
    parser.add_argument("--min", type=int, default=0, help="Workers that always run on this host; default 0.")
    parser.add_argument("--max", type=int, help="Workers at most; by default one for each GPU, or --cpu.")
    parser.add_argument(
        "--gpus", help="GPUs, a worker each: all (the default), or indexes and UUIDs, with commas."
    )
    parser.add_argument("--cpu", type=int, metavar="N", help="No GPU: up to N workers on the CPU.")
    parser.add_argument("--lanes", type=int, help="As of gpu_worker.")
    parser.add_argument("--memory-budget", type=int, help="As of gpu_worker.")
    parser.add_argument("--first-index", type=int, default=0, help="Number of the first worker on this host.")
    parser.add_argument(
        "--on-stop",
        choices=(DRAIN, LEAVE),
        default=DRAIN,
        help="At SIGTERM let the workers finish their batches and end (default), or leave them running: the"
        " next autoscaler adopts them.",
    )
    parser.add_argument(
        "--log-dir", type=Path, help="A folder for the workers' logs; by default, this output."
    )
    add_environment(parser)
