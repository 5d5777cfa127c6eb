"""The options of `manage.py tune`: one sentence for each value that makes no sense, and exit status 2."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs.core.loadtest.load_words import LoadWordError
from jobs.management.tune.tune_arguments import TuneArguments, add_tune_arguments


def options_of(*words: str) -> dict[str, Any]:
    parser = ArgumentParser()
    add_tune_arguments(parser)
    return vars(parser.parse_args(["echo", *words]))


def test_the_defaults_are_one_worker_and_the_highest_rate() -> None:
    arguments = TuneArguments.of(options_of("--goal", "p95=200ms"))
    assert (arguments.goal.percentile, arguments.goal.limit_s) == (95.0, 0.2)
    assert (arguments.rate, arguments.workers, arguments.window_s) == (None, 1, 86_400.0)
    assert not arguments.times.are_enough


def test_the_fewest_workers_are_none_to_begin_with() -> None:
    words = ("--goal", "p99=1s", "--min-workers", "--rate", "50", "--base-s", "0", "--per-item-s", "0.001")
    arguments = TuneArguments.of(options_of(*words))
    assert arguments.workers is None
    assert arguments.times.are_enough


WRONG = [
    (("--goal", "p95=fast"), "--goal: fast is no time"),
    (("--goal", "p101"), "--goal: p101 is no goal"),
    (("--goal", "p95=1s,p99=2s"), "--goal: give one goal"),
    (("--goal", "p95=1s", "--rate", "0"), "--rate: 0 is no rate"),
    (("--goal", "p95=1s", "--rate=-1"), "--rate: -1 is no rate"),
    (("--goal", "p95=1s", "--rate", "nan"), "--rate: nan is no rate"),
    (("--goal", "p95=1s", "--rate", "5", "--from-history"), "--rate and --from-history"),
    (("--goal", "p95=1s", "--min-workers"), "--min-workers needs --rate"),
    (("--goal", "p95=1s", "--rate", "5", "--min-workers", "--workers", "2"), "--workers and --min-workers"),
    (("--goal", "p95=1s", "--workers", "0"), "--workers: 0 is not from 1 to 10,000"),
    (("--goal", "p95=1s", "--workers", "10001"), "--workers: 10001 is not from 1 to 10,000"),
    (("--goal", "p95=1s", "--most-batch", "20000"), "--most-batch: 20000 is not from 1 to 16,384"),
    (("--goal", "p95=1s", "--most-lanes", "33"), "--most-lanes: 33 is not from 1 to 32"),
    (("--goal", "p95=1s", "--sizes", "0-3"), "--sizes: 0 is not from 1"),
    (("--goal", "p95=1s", "--workers", "two"), "--workers: two is no whole number"),
    (("--goal", "p95=1s", "--seed", "9" * 19), f"--seed: {'9' * 19} has more than 18 digits"),
    (("--goal", "p95=1s", "--base-s", "inf"), "--base-s: inf is no number"),
    (("--goal", "p95=1s", "--per-item-s=-1"), "--per-item-s: -1 is no number"),
    (("--goal", "p95=1s", "--sizes", "9-3"), "--sizes: 9-3 runs backwards"),
    (("--goal", "p95=1s", "--window", "1d"), "--window: 1d is no time"),
]


@pytest.mark.parametrize(
    ("words", "sentence"), WRONG, ids=lambda value: "" if isinstance(value, str) else " ".join(value)
)
def test_what_makes_no_sense_is_named_with_its_option(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(LoadWordError) as caught:
        TuneArguments.of(options_of(*words))
    assert str(caught.value).startswith(sentence)


def test_the_command_ends_with_status_2_before_it_reads_anything() -> None:
    with pytest.raises(CommandError, match="p101=1s is no goal") as caught:
        call_command("tune", "echo", "--goal", "p101=1s")
    assert caught.value.returncode == 2
