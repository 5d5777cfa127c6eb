"""The options --env and --requirements of commands that load models, and the start in that environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from models_registry.core.registry_errors import EnvironmentRefusedError
from models_registry.environments.make import enter
from models_registry.environments.requirements import REQUIREMENTS, names_libraries

TRIALS = "trials"  # the environment's name; what it leads to is decided by the requirements


def add_environment(parser: CommandParser) -> None:
    """Let the command take both options."""
    parser.add_argument("--env", metavar="NAME", help="Run in this environment, which `make_env` makes.")
    parser.add_argument(
        "--requirements",
        type=Path,
        metavar="FILE",
        help="Hashed requirements, of which the environment is made where it is missing.",
    )


def enter_environment(*, env: str | None, requirements: Path | None, **_: Any) -> None:
    """Start this process's command again in the environment, where one is named and this is not it yet."""
    if env is None:
        if requirements is not None:
            raise CommandError("--requirements needs --env NAME: the environment that is made of them")
        return
    try:
        enter(env, requirements, envs_dir=Path(settings.INFERENCE.envs_dir))
    except EnvironmentRefusedError as error:
        raise CommandError(str(error)) from error


def enter_environment_of(folder: Path, *, env: str | None, requirements: Path | None, **_: Any) -> None:
    """Start this process's command again where the folder of a model has the libraries that it needs.

    Without --env that is an environment of trials, made of the folder's own requirements: a trial must not
    change what the name of the workers' environment leads to.
    """
    own = folder / REQUIREMENTS
    if env is None and requirements is None and names_libraries(own):
        env, requirements = TRIALS, own
    elif env is not None and requirements is None and names_libraries(own):
        requirements = own
    enter_environment(env=env, requirements=requirements)
