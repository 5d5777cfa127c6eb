"""The options of the command: the defaults are those of the worker, and senseless values are refused."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import pytest

from jobs.management.simulate.simulation_arguments import SimulationArguments, add_arguments


def parsed(*words: str) -> dict[str, Any]:
    parser = ArgumentParser()
    add_arguments(parser)
    return vars(parser.parse_args(words))


def test_the_help_names_the_rule_by_which_jobs_are_refused() -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    text = " ".join(parser.format_help().split())
    assert "whose estimated answer comes after 60% of the goal" in text


def test_options_not_given_have_their_defaults() -> None:
    assert SimulationArguments.of(parsed()) == SimulationArguments()


def test_every_option_reaches_its_field() -> None:
    words = "--loads 0.5,1.1 --sizes 20-200 --priorities 0,9 --max-batch 32 --pads --workers 3 --png x.png"
    arguments = SimulationArguments.of(parsed(*words.split()))
    assert (arguments.loads, arguments.sizes, arguments.priorities) == ((0.5, 1.1), (20, 200), (0, 9))
    assert (arguments.max_batch, arguments.padded, arguments.workers, arguments.png) == (32, True, 3, "x.png")


@pytest.mark.parametrize(
    "words",
    [
        "--rate 0",
        "--loads 0.5,-1",
        "--priorities 10",
        "--sizes 0",
        "--sizes 9-3",
        "--workers 0",
        "--rate 5 --csv jobs.csv",
        "--rate nan",
        "--loads nan",
        "--base-s nan",
        "--base-s -1",
        "--claim-s inf",
        "--jitter 2",
        "--max-padded-size -5",
        "--depth -1",
        "--deadline-s soon",
    ],
)
def test_senseless_arguments_are_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words.split())
    assert "error" in capsys.readouterr().err
