"""The options of `manage.py loadtest`: their declaration, and their values once they make sense."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from ssl import SSLContext, SSLError, create_default_context
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from jobs.core.loadtest.load_words import (
    LoadGoal,
    LoadWordError,
    MixPart,
    parse_duration,
    parse_goals,
    parse_mix,
    parse_mode,
    parse_rate,
)
from jobs.core.loadtest.send_times import LoadProfile

WAITS = ("poll", "longpoll", "sse", "webhook", "none")
DURATION, FOLLOW, RATE = "30s", "60s", "20"
MOST_DIGITS = 18  # a report, and a column of Postgres, hold no larger number
_TOKEN = re.compile(r"[!-~]+")
USAGE = (
    "%(prog)s MODEL [--rate N] [--wait HOW] [--slo p95=200ms] …, or %(prog)s --compare A B; --help lists all"
)


@dataclass(frozen=True, slots=True)
class LoadArguments:
    """The values of all options; `bulk` is the jobs of a call, 0 for single submits; times in seconds."""

    mix: list[MixPart]
    rate: float
    profile: LoadProfile
    duration_s: float
    replay: str
    speed: float
    seed: int
    inputs: dict[str, Path]
    clients: int
    bulk: int
    wait: str
    goals: list[LoadGoal]
    follow_s: float
    url: str
    tokens: list[str]
    allow_host: list[str]
    tls: SSLContext
    out: Path | None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """Take the values from parsed options; LoadWordError says which of them makes no sense."""
        if options["replay"] and options["rate"]:
            raise LoadWordError("--rate and --replay: the recording has a rate; --speed changes it")
        return cls(
            mix=_mix(options),
            rate=_checked("--rate", parse_rate, options["rate"] or RATE),
            profile=LoadProfile(_choice("--profile", options["profile"], tuple(LoadProfile))),
            duration_s=_checked("--duration", parse_duration, options["duration"]),
            replay=options["replay"] or "",
            speed=_checked("--speed", parse_rate, options["speed"]),
            seed=int(_checked("--seed", _whole, options["seed"])),
            inputs=dict(_input(word) for word in options["input"]),
            clients=int(_checked("--clients", _whole, options["clients"])) or 1,
            bulk=int(_checked("--mode", parse_mode, options["mode"])),
            wait=_choice("--wait", options["wait"], WAITS),
            goals=[goal for text in options["slo"] for goal in _goals(text)],
            follow_s=_checked("--follow", parse_duration, options["follow"]),
            url=_url(options["url"]),
            tokens=[*map(_token, options["token"])],
            allow_host=options["allow_host"],
            tls=_tls(options["ca_file"]),
            out=Path(options["out"]) if options["out"] else None,
        )


def add_load_arguments(parser: ArgumentParser) -> None:
    """Declare every option. All are texts here, so that one sentence says what is wrong with a value."""
    parser.add_argument("model", nargs="?", help="the model to load: name, name:version or name@alias")
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="compare two reports, each a report.json or its folder"
    )
    _add_plan(parser.add_argument_group("what is sent, and when"))
    _add_measure(parser.add_argument_group("what is measured"))
    _add_target(parser.add_argument_group("where"))


def _add_plan(group: Any) -> None:
    group.add_argument("--rate", help=f"jobs a second, the mean of any profile; {RATE} if missing")
    group.add_argument("--profile", default="poisson", help=f"{', '.join(LoadProfile)}; default: %(default)s")
    group.add_argument("--duration", default=DURATION, help="30s, 5m, 1h; default: %(default)s")
    group.add_argument(
        "--replay",
        metavar="MODEL|FILE",
        help="the stored arrivals of a model, or a CSV file as `simulate` reads it",
    )
    group.add_argument("--speed", default="1", help="replay so many times as fast; default: %(default)s")
    group.add_argument("--seed", default="1", help="the same seed sends the same jobs at the same moments")
    group.add_argument(
        "--mix",
        metavar="PARTS",
        help="several models instead of one: minilm=3,minilm/9=1,echo=1 (/9: priority)",
    )
    group.add_argument(
        "--input", action="append", default=[], metavar="[MODEL=]FILE.jsonl",
        help="inputs, one a line, taken in turn; without it the model's registered example",
    )  # fmt: skip
    group.add_argument(
        "--clients", default="0", help="client apps that send; each needs a --token of its own"
    )
    group.add_argument("--mode", default="single", help="single, or bulk:N for N jobs a call")


def _add_measure(group: Any) -> None:
    group.add_argument("--wait", default="longpoll", help=f"how ends are seen: {', '.join(WAITS)}")
    group.add_argument(
        "--slo", action="append", default=[], metavar="GOALS",
        help="p95=200ms,p99=1s: from the intended moment to the end, over all jobs",
    )  # fmt: skip
    group.add_argument(
        "--follow", default=FOLLOW, help="wait for ends after the last send; default: %(default)s"
    )
    group.add_argument("--out", metavar="DIR", help="write report.json, report.html and the charts there")


def _add_target(group: Any) -> None:
    group.add_argument("--url", help="the API; without it that of the stack here, by .run/stack.json")
    group.add_argument("--token", action="append", default=[], help="a bearer token; one for each client app")
    group.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="a host that may be loaded although it is not this machine",
    )  # fmt: skip
    group.add_argument(
        "--ca-file", metavar="FILE", help="trust the authorities of this PEM file instead of the system's"
    )


def _checked(option: str, parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except LoadWordError as error:
        raise LoadWordError(f"{option}: {error}") from None


def _goals(text: str) -> list[LoadGoal]:
    goals: list[LoadGoal] = _checked("--slo", parse_goals, text)
    return goals


def _mix(options: dict[str, Any]) -> list[MixPart]:
    if bool(options["model"]) == bool(options["mix"]):
        raise LoadWordError("name the model to load, or several with --mix")
    mix: list[MixPart] = _checked("--mix", parse_mix, options["mix"]) if options["mix"] else []
    return mix or [MixPart(options["model"], None, 1.0)]


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise LoadWordError(f"{text} is no whole number of at most {MOST_DIGITS} digits")
    return int(text)


def _choice(option: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise LoadWordError(f"{option}: {text} is none of {', '.join(choices)}")
    return text


def _input(word: str) -> tuple[str, Path]:
    """Return the model, empty for any, and the file of its inputs."""
    model, equals, file = word.partition("=")
    return (model, Path(file)) if equals else ("", Path(word))


def _tls(ca_file: str | None) -> SSLContext:
    """Return how certificates are checked, by chain and host name; LoadWordError."""
    try:
        return create_default_context(cafile=ca_file)
    except SSLError:
        raise LoadWordError(f"--ca-file {ca_file} holds no certificate in PEM") from None
    except OSError as error:
        raise LoadWordError(f"--ca-file {ca_file} cannot be read: {error.strerror}") from None


def _url(text: str | None) -> str:
    if not text:
        return ""
    parts = _parts(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise LoadWordError(f"--url: {text} is no address: write it as http://127.0.0.1:8000")
    if parts.username is not None or parts.query or parts.fragment:
        raise LoadWordError("--url: give the address alone, as http://127.0.0.1:8000, and a token by --token")
    return text


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL; None where it is none."""
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 and url.isprintable() else None
    except ValueError:
        return None


def _token(text: str) -> str:
    """Return a token; the error does not quote it."""
    if not _TOKEN.fullmatch(text):
        raise LoadWordError("--token: it holds a character that no token has, or nothing")
    return text


def check_host(url: str, allowed: list[str]) -> None:
    """Refuse a target beyond loopback that is not allowed; LoadWordError."""
    host = _host(url)
    if not is_loopback(url) and host not in allowed:
        raise LoadWordError(f"{host} is not this machine: --allow-host {host} says that it may be loaded")


def sendable(url: str, allowed: list[str]) -> Callable[[str], bool]:
    """Return a test of URLs that the platform names: its own host, this machine, or an allowed host.

    The platform names where its jobs are waited for, and the token goes there: not in the clear where the
    target has TLS, unless it stays on this machine.
    """
    hosts, is_secret = {*allowed, _host(url)} - {""}, urlsplit(url).scheme == "https"

    def may_send(other: str) -> bool:
        if is_loopback(other):
            return True
        parts = _parts(other)
        return _host(other) in hosts and parts is not None and (parts.scheme == "https" or not is_secret)

    return may_send


def _host(url: str) -> str:
    """Return the host that a URL names; nothing where it names none."""
    parts = _parts(url)
    return (parts and parts.hostname) or ""


def is_loopback(url: str) -> bool:
    """Return whether a URL names this machine."""
    host = _host(url)
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
