"""`python -m inference_site.stack up | run -- COMMAND | down`."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from inference_site.stack.harness import down
from inference_site.stack.services import PROJECT
from inference_site.stack.stack_errors import StackError
from inference_site.stack.supervisor import Options, Supervisor


def main(words: list[str]) -> int:
    """Run one subcommand; return the exit status."""
    arguments = make_parser().parse_args(words)
    try:
        return int(arguments.function(arguments))
    except (StackError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m inference_site.stack", description=__doc__)
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="run the stack until it is interrupted")
    run = commands.add_parser("run", help="run a command with a stack of its own, then end both")
    run.add_argument("command", nargs="+")
    for command, function in ((up, _up), (run, _run)):
        _add_options(command)
        command.set_defaults(function=function)
    end = commands.add_parser("down", help="end the stack, and processes that a killed one left behind")
    end.add_argument("--run-dir", type=Path, default=PROJECT / ".run")
    end.set_defaults(function=_down)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-dir", type=Path, default=None, help="default: .run; for `run` a new one")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="NAME,NAME…")
    parser.add_argument("--workers", type=int, default=None, help="GPU workers; by default one for each GPU")
    parser.add_argument(
        "--models",
        type=lambda text: [word for word in text.split(",") if word],
        default=[],
        help="NAME,./FOLDER…: what the GPU workers serve; folders are registered, and their code may run",
    )
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--fragile", action="store_true", help="faster, but a power cut loses data")


def _options(arguments: argparse.Namespace, *, run_dir: Path) -> Options:
    return Options(
        run_dir=run_dir,
        only=arguments.only,
        workers=arguments.workers,
        models=arguments.models,
        env=dict(pair.split("=", 1) for pair in arguments.env),
        durable=not arguments.fragile,
    )


def _up(arguments: argparse.Namespace) -> int:
    return Supervisor(_options(arguments, run_dir=arguments.run_dir or PROJECT / ".run")).run()


def _run(arguments: argparse.Namespace) -> int:
    own = PROJECT / ".run" / f"run-{os.getpid()}"
    status = Supervisor(_options(arguments, run_dir=arguments.run_dir or own)).run(arguments.command)
    if status and own.exists():
        print(f"the logs are in {own / 'log'}", file=sys.stderr)
    else:
        shutil.rmtree(own, ignore_errors=True)
    return status


def _down(arguments: argparse.Namespace) -> int:
    print(down(arguments.run_dir))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
