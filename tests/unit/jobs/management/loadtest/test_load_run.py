"""Whole load tests against a platform of a few lines, whose answers are known."""

from __future__ import annotations

import json
import os
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

from jobs.core.loadtest.load_report import LoadReport
from jobs.core.loadtest.load_words import LoadWordError
from jobs.management.loadtest.load_arguments import LoadArguments, add_load_arguments
from jobs.management.loadtest.load_run import run_load
from jobs.management.loadtest.platform_calls import UnreachableError, UnusableTargetError
from tests.support.load_stub import StubPlatform, stub_platform

STALL_S = (0.5, 1.0)


def arguments(stub: StubPlatform, words: str) -> LoadArguments:
    parser = ArgumentParser()
    add_load_arguments(parser)
    parsed = parser.parse_args(["--url", stub.url, "--token", "first", *words.split()])
    return LoadArguments.of(vars(parsed))


def run(words: str, **script: Any) -> tuple[LoadReport, StubPlatform]:
    with stub_platform(**script) as stub:
        return run_load(arguments(stub, words)), stub


def until_it_is_over(now_s: float) -> float:
    begin, end = STALL_S
    return end - now_s if begin <= now_s < end else 0.0


def test_latency_counts_from_the_intended_moment_through_a_stall() -> None:
    """A quarter of the jobs are due in a stall, whose end they all wait for: 0 to 0.5 s, evenly.

    A client that waits for its answers would see one long call, and call all others quick. What a busy
    machine adds is known: the stall ended when it did, and the sender knows how late it was.
    """
    report, stub = run("echo --rate 200 --duration 2s --profile constant", stalls=until_it_is_over)
    begin_s, _ = STALL_S
    due_s = [number / 200 for number in range(400)]
    expected_ms = sorted(
        1e3 * (stub.released_s - at if begin_s <= at < stub.released_s else 0.0) for at in due_s
    )
    late_ms = report.lateness_ms.p99 or 0.0
    for percent in (90, 95, 99):
        own = expected_ms[4 * percent - 1]
        seen = HdrHistogram.decode(report.hdr).get_value_at_percentile(percent) / 1e3
        assert seen == pytest.approx(own, abs=0.05 * own + late_ms)
    assert report.sums.succeeded == report.sums.intended == 400


@pytest.mark.parametrize("wait", ["poll", "longpoll", "sse"])
def test_each_way_to_wait_sees_the_ends(wait: str) -> None:
    report, _ = run(f"echo --rate 100 --duration 500ms --wait {wait}", service_s=0.2)
    assert (report.sums.succeeded, report.unmeasured, report.measured) == (50, 0, "ended")
    assert 190.0 < (report.latency_ms.p50 or 0.0) < 600.0


def test_without_waiting_the_ends_are_read_from_the_lists_of_jobs() -> None:
    report, _ = run("echo --rate 100 --duration 500ms --wait none", service_s=0.2)
    assert report.sums.succeeded == 50
    assert (report.measured, report.rates.throughput) == ("accepted", None)
    assert (report.latency_ms.p50 or 0.0) < 190.0


@pytest.mark.parametrize("mode", ["single", "bulk:7"])
def test_the_sums_close_whatever_becomes_of_the_jobs(mode: str) -> None:
    ends = ("succeeded", "dead", "expired", "cancelled", "never")
    report, _ = run(
        f"echo --rate 200 --duration 500ms --mode {mode} --follow 300ms",
        end_of=lambda number: ends[number % 5],
        refuses=lambda number: number % 10 == 9,
    )
    sums = report.sums
    assert sums.closes
    assert (sums.intended, sums.refused, sums.accepted) == (100, 10, 90)
    assert (sums.succeeded, sums.dead, sums.expired, sums.cancelled, sums.unfinished) == (20, 20, 20, 20, 10)
    assert report.errors == {"429 overloaded": 10, "dead": 20, "expired": 20, "cancelled": 20}
    assert report.details == {"429 overloaded": "later"} or mode != "single"


def test_a_call_without_an_answer_has_failed_and_the_sums_close() -> None:
    report, _ = run("echo --rate 40 --duration 500ms --follow 300ms", stalls=lambda _: 30.0)
    assert (report.sums.failed, report.sums.sent) == (20, 20)
    assert report.sums.closes
    assert (report.verdict, report.reasons[0]) == ("invalid", "no job was accepted")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"[]",
        b'{"id": "x", "state": "queued"}',
        b'{"jobs": [{"index": 9}, {"index": -1}, {}]}',
    ],
)
@pytest.mark.parametrize("mode", ["single", "bulk:5"])
def test_an_answer_that_is_not_the_platforms_has_failed_and_the_sums_close(body: bytes, mode: str) -> None:
    head = b"HTTP/1.1 202 Stub\r\nContent-Length: %d\r\n\r\n" % len(body)
    report, _ = run(
        f"echo --rate 40 --duration 500ms --follow 300ms --mode {mode}", garbles=lambda _: head + body
    )
    assert report.sums.closes
    assert (report.sums.failed, sum(report.errors.values())) == (20, 20)


def test_an_item_that_comes_twice_counts_once() -> None:
    def twice(answer: bytes) -> bytes:
        items = json.loads(answer.partition(b"\r\n\r\n")[2])["jobs"]
        body = json.dumps({"jobs": [*items[1:], *items[1:]]}).encode()
        return b"HTTP/1.1 202 Stub\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    report, _ = run("echo --rate 40 --duration 500ms --mode bulk:5 --wait none", garbles=twice)
    assert report.sums.closes
    assert (report.sums.accepted, report.sums.failed) == (16, 4)
    assert report.errors == {"left out of the answer": 4}


def test_ctrl_c_ends_a_long_wait_for_the_next_moment(tmp_path: Path) -> None:
    def interrupt(answer: bytes) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        return answer

    recording = tmp_path / "jobs.csv"
    recording.write_text("arrival_s\n0\n3600\n")
    began = time.monotonic()
    report, _ = run(f"echo --replay {recording} --follow 1s", garbles=interrupt)
    assert time.monotonic() - began < 20.0
    assert (report.sums.succeeded, report.sums.not_sent) == (1, 1)


def test_ctrl_c_ends_the_sending_and_there_is_a_report() -> None:
    def interrupt_at(number: int) -> bool:
        if number == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return False

    report, stub = run("echo --rate 50 --duration 30s --follow 1s", refuses=interrupt_at)
    sums = report.sums
    assert sums.closes
    assert 10 < len(stub.submits) == sums.sent < 1_000
    assert (sums.succeeded, sums.not_sent) == (sums.sent, 1_500 - sums.sent)
    assert report.verdict == "invalid"


def test_the_same_seed_sends_the_same_jobs(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.jsonl"
    inputs.write_text('{"text": "one"}\n\n{"text": "two"}\n')
    words = f"--mix echo=1,echo:1/9=1 --rate 40 --duration 500ms --profile burst --input {inputs} --seed"
    first, again, other = (run(f"{words} {seed}")[1].submits for seed in (3, 3, 4))
    assert [job["model"] for job in first] == [job["model"] for job in again]
    assert [job["model"] for job in first] != [job["model"] for job in other]
    assert {(job["model"], job.get("priority")) for job in first} == {("echo", None), ("echo:1", 9)}
    assert {job["input"]["text"] for job in first} == {"one", "two"}


def test_a_recording_is_replayed_faster_by_several_clients(tmp_path: Path) -> None:
    recording = tmp_path / "jobs.csv"
    rows = "".join(f"{number / 10},{number % 10},{number % 3},9\n" for number in range(40))
    recording.write_text(f"arrival_s,priority,client,deadline_s\n{rows}")
    report, stub = run(f"echo --replay {recording} --speed 4 --token second --wait none")
    assert report.settings.duration_s == 1.0
    assert [(job["priority"], job["deadline_s"]) for job in stub.submits[:3]] == [(0, 9), (1, 9), (2, 9)]
    assert stub.tokens == {"first": 27, "second": 13}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nosuch", "has no|no model"),
        ("echo:9", "has no echo:9"),
        ("Echo!", "names no model"),
        ("echo --replay {tmp}/empty.csv", "line 1"),
        ("echo --replay {tmp}/broken.csv", "line 3"),
        ("echo --replay {tmp}/none.csv", "cannot be read"),
        ("echo --input {tmp}/broken.csv", "line 1 is no JSON"),
        ("echo --input {tmp}/empty.csv", "there is no input"),
        ("echo --input other={tmp}/good.jsonl", "other is not in the mix"),
        ("echo --clients 2", "needs as many --token"),
        ("echo --rate 1e9", "more than"),
        ("echo --replay {tmp}/endless.csv", "take a greater --speed"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence_and_nothing_is_sent(
    words: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.csv").write_text("arrival_s\n1\nsoon\n")
    (tmp_path / "endless.csv").write_text("arrival_s\n0\n1e308\n")
    (tmp_path / "good.jsonl").write_text("{}\n")
    with stub_platform() as stub:
        with pytest.raises((LoadWordError, UnusableTargetError), match=sentence) as refusal:
            run_load(arguments(stub, words.format(tmp=tmp_path)))
        assert "\n" not in str(refusal.value)
        assert stub.submits == []


def test_a_target_beyond_this_machine_has_to_be_allowed_before_anything_is_sent() -> None:
    stub = StubPlatform(url="http://platform.example:80")
    with pytest.raises(LoadWordError, match="--allow-host platform"):
        run_load(arguments(stub, "echo"))
    with pytest.raises(LoadWordError, match="only a platform on this machine"):
        run_load(arguments(stub, "echo --allow-host platform.example --wait webhook"))


def test_nobody_there_is_unreachable() -> None:
    with stub_platform() as stub:
        pass
    with pytest.raises(UnreachableError, match="does not answer"):
        run_load(arguments(stub, "echo"))
