"""`manage.py flags`: a thin shell over the services that the API calls too."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs.models import Event
from models_registry import selectors
from models_registry.models import Flag, FlagChange
from tests.support.flags import OWNED, flag
from tests.support.rules import rule, two_versions
from tests.support.submit import submit_to

DOCUMENT = json.dumps(OWNED)


@pytest.fixture(autouse=True)
def versions(db: str) -> None:
    selectors.forget()
    two_versions()


def flags(*arguments: str) -> str:
    out = StringIO()
    call_command("flags", *arguments, stdout=out)
    return out.getvalue().strip()


def as_json(*arguments: str) -> Any:
    return json.loads(flags(*arguments, "--json"))


def test_a_flag_is_put_listed_shown_changed_and_removed(tmp_path: Path) -> None:
    assert flags("list") == "There are no flags."
    (tmp_path / "flag.json").write_text(json.dumps(OWNED | {"share": 0.1}))
    put = flags("put", "beta", f"@{tmp_path}/flag.json", "--actor", "olga", "--reason", "try it")
    assert put.startswith("beta 1: on for 10 % of all jobs; expires 2099-03-01 00:00 UTC, owner search team")
    assert put.endswith(": try it")
    assert flags("list") == put
    assert as_json("put", "beta", DOCUMENT, "--number", "1", "--actor", "otto")["number"] == 2
    rule(cohorts=[{"flag": "beta", "arm": "candidate"}])
    assert "decides for echo@default" in flags("show", "beta")
    assert as_json("show", "beta")["used_by"] == ["echo@default"]
    with pytest.raises(CommandError, match="decides for echo@default"):
        flags("remove", "beta")
    rule()
    assert flags("remove", "beta", "--actor", "olga", "--reason", "done").startswith("3 by olga at ")
    assert not Flag.objects.exists()
    lines = flags("history", "beta").splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["3", "2", "1"]
    assert "    removed" in lines
    assert "    share: 10 % → 100 %" in lines
    assert [change["number"] for change in as_json("history", "beta")] == [3, 2, 1]
    assert Event.objects.filter(kind="registry", detail__act="flag_removed").get().actor == "olga"


def test_what_was_in_force_at_a_moment_is_listed() -> None:
    flag(share=0.1)
    flag(on=False)
    at = FlagChange.objects.get(number=1).at.isoformat()
    assert "on for 10 %" in flags("list", "--at", at)
    assert "beta 2: off" in flags("list")
    with pytest.raises(CommandError, match="no time with its zone"):
        flags("list", "--at", "2026-01-31T14:03:00")


def test_expired_flags_give_a_status_for_a_timer() -> None:
    flag()
    assert flags("list", "--expired") == "No flag has expired."
    Flag.objects.update(expires_at="2001-01-01T00:00:00Z")
    for more in ((), ("--json",)):
        with pytest.raises(SystemExit) as ended:
            flags("list", "--expired", *more)
        assert ended.value.code == 1
    assert "; expired 2001-01-01" in flags("list")


def test_a_flag_is_tried_on_jobs_before_it_is_put() -> None:
    for number in range(20):
        submit_to("echo", {"text": str(number)})
    half = json.dumps(OWNED | {"share": 0.5})
    seen = as_json("preview", "beta", half, "--last", "50")
    assert (seen["total"], 0 < seen["on"] < 20) == (20, True)
    assert flags("preview", "beta", half, "--last", "50") == (
        f"On for {seen['on']} of 20 jobs: {seen['on']} of tests."
    )
    asks = json.dumps([{"input": 1}])
    assert flags("preview", "beta", DOCUMENT, "--asks", asks) == "On for 1 of 1 jobs: 1 of preview."
    assert not FlagChange.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "beta"), "There is no flag 'beta'"),
        (("history", "beta"), "There never was a flag 'beta'"),
        (("remove", "beta"), "There is no flag 'beta'"),
        (("put", "Beta", DOCUMENT), "no name of a flag"),
        (("put", "beta", "{}"), "owner"),
        (("put", "beta", json.dumps(OWNED | {"clients": ["nobody"]})), "no client 'nobody'"),
        (("put", "beta", json.dumps(OWNED | {"owner": "\udfff"})), "half of a surrogate pair"),
        (("put", "b\ud800", DOCUMENT), "no name of a flag"),
        (
            ("preview", "beta", json.dumps(OWNED | {"when": {"\ud800": 1}}), "--last", "1"),
            "half of a surrogate",
        ),
        (("put", "beta", DOCUMENT, "--number", "4"), "there is no such flag now"),
        (("preview", "beta", DOCUMENT, "--last", "0"), "last"),
        (("preview", "beta", DOCUMENT, "--last", "1", "--sticky", "x"), "sticky"),
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        flags(*arguments)
