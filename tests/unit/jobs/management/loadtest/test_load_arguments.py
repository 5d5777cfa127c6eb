"""The options: their defaults, and one sentence for each value that makes no sense."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from jobs.core.loadtest.load_words import LoadGoal, LoadWordError, MixPart
from jobs.core.loadtest.send_times import LoadProfile
from jobs.management.loadtest.load_arguments import LoadArguments, add_load_arguments, check_host, sendable


def of(words: str) -> LoadArguments:
    parser = ArgumentParser()
    add_load_arguments(parser)
    return LoadArguments.of(vars(parser.parse_args(words.split())))


def test_a_model_is_enough() -> None:
    arguments = of("echo")
    assert (arguments.mix, arguments.rate, arguments.duration_s) == ([MixPart("echo", None, 1.0)], 20.0, 30.0)
    assert (arguments.profile, arguments.wait, arguments.bulk) == (LoadProfile.POISSON, "longpoll", 0)


def test_every_option_reaches_its_field() -> None:
    arguments = of(
        "--mix a=1,b=2 --rate 5 --profile ramp --duration 1m --seed 9 --input a=x.jsonl --clients 2"
        " --mode bulk:3 --wait sse --slo p95=1s --slo p99=2s,p50=1ms --follow 5s --url http://[::1]:1"
        " --token x --token y --allow-host h --out o"
    )
    assert [goal.percentile for goal in arguments.goals] == [95, 99, 50]
    assert arguments.goals[0] == LoadGoal(95.0, 1.0)
    assert (arguments.inputs, arguments.tokens, arguments.bulk) == ({"a": Path("x.jsonl")}, ["x", "y"], 3)
    assert (arguments.follow_s, arguments.out, arguments.allow_host) == (5.0, Path("o"), ["h"])


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("echo --rate 0", "--rate"),
        ("echo --rate -1", "--rate"),
        ("echo --rate nan", "--rate"),
        ("echo --slo p95=fast", "--slo"),
        ("echo --slo p101", "--slo"),
        ("echo --speed 0", "--speed"),
        ("echo --seed x", "--seed"),
        ("echo --profile spiky", "--profile"),
        ("echo --wait never", "--wait"),
        ("echo --mode bulk", "--mode"),
        ("echo --url ftp://x", "--url"),
        ("echo --url http://127.0.0.1:99999", "--url"),
        ("echo --url http://127.0.0.1:port", "--url"),
        ("echo --url http://[::1", "--url"),
        ("echo --url http://127.0.0.1:0", "--url"),
        ("echo --url http://me:secret@127.0.0.1", "--token"),
        ("echo --url http://127.0.0.1/?a=b", "--url"),
        ("echo --token \u00fcber", "--token"),
        ("echo --rate 1 --replay x.csv", "--replay"),
        ("echo --mix echo=1", "--mix"),
        ("", "--mix"),
    ],
)
def test_a_senseless_value_is_one_sentence_that_names_its_option(words: str, option: str) -> None:
    with pytest.raises(LoadWordError, match=option) as refusal:
        of(words)
    assert "\n" not in str(refusal.value)


def test_only_this_machine_may_be_loaded_unless_another_is_allowed() -> None:
    for url in ("http://127.0.0.1:1", "http://localhost", "https://[::1]:9"):
        check_host(url, [])
    for url in ("http://10.0.0.1", "http://example.org", "http://127.0.0.1.example.org"):
        with pytest.raises(LoadWordError, match="--allow-host"):
            check_host(url, ["other"])
    check_host("http://example.org", ["example.org"])


def test_a_token_goes_to_no_host_that_only_the_platform_names() -> None:
    may_send = sendable("https://api.example.org/x", ["stream.example.org"])
    assert all(
        map(may_send, ("https://api.example.org:9/y", "https://stream.example.org/", "http://127.0.0.1:1/"))
    )
    assert not may_send("http://api.example.org/y"), "in the clear"
    assert sendable("http://api.example.org", [])("http://api.example.org/y")
    assert not may_send("https://other.example.org/api/v1/jobs/1")


def test_no_error_quotes_a_token_or_a_password() -> None:
    for words in ("echo --url http://me:secret@127.0.0.1", "echo --token secret\u00fc"):
        with pytest.raises(LoadWordError) as refusal:
            of(words)
        assert "secret" not in str(refusal.value)


def test_the_platform_cannot_have_an_address_asked_that_is_none() -> None:
    may_send = sendable("http://127.0.0.1:8000", [])
    for url in ("", "nothing", "http://", "http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1:x/"):
        assert not may_send(url)
