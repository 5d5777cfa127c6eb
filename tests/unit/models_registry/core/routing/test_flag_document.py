from __future__ import annotations

from typing import Any

import pytest

from models_registry.core.registry_errors import FlagError
from models_registry.core.routing.decision import Ask, bucket_of
from models_registry.core.routing.flag_document import CompiledFlag, FlagDocument, FlagReason, check_flag_name

OWNED: dict[str, Any] = {"owner": "search team", "expires_at": "2027-03-01T00:00:00Z"}


def ask(number: int = 0, client: str = "app", **metadata: Any) -> Ask:
    return Ask(number.to_bytes(8), client, 4, metadata, {})


def flag(name: str = "new-tokens", **fields: Any) -> CompiledFlag:
    return CompiledFlag(name, FlagDocument.of(OWNED | fields))


def test_a_flag_is_on_for_all_jobs_unless_it_says_otherwise() -> None:
    assert flag().is_on(ask())
    assert not flag(on=False, clients=["app"]).is_on(ask())
    assert not flag(share=0.0).is_on(ask())


def test_a_client_by_name_is_on_whatever_the_share() -> None:
    named = flag(share=0.0, clients=["friend"], when={"required": ["no such thing"]})
    assert named.is_on(ask(client="friend"))
    assert not named.is_on(ask(client="other"))


def test_a_share_that_grows_keeps_whom_it_had_and_is_about_so_large() -> None:
    jobs = [ask(number) for number in range(20_000)]
    few, many = ({job.key for job in jobs if flag(share=share).is_on(job)} for share in (0.1, 0.4))
    assert few < many
    assert len(few) / len(jobs) == pytest.approx(0.1, abs=0.01)
    assert len(many) / len(jobs) == pytest.approx(0.4, abs=0.015)


def test_two_flags_draw_by_their_names_and_each_as_a_rule_would() -> None:
    jobs = [ask(number) for number in range(2_000)]
    one, other = (flag(name, share=0.5) for name in ("one", "other"))
    assert [one.is_on(job) for job in jobs] == [bucket_of("one", job.key) < 500_000 for job in jobs]
    both = sum(one.is_on(job) and other.is_on(job) for job in jobs)
    assert both / len(jobs) == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(
    ("fields", "for_all"),
    [
        ({}, True),
        ({"clients": ["app"]}, True),
        ({"on": False, "clients": ["app"], "when": {}, "share": 0.5}, False),
        ({"share": 0.0}, False),
        ({"share": 0.0, "when": {"required": ["client"]}}, False),
        ({"share": 0.0, "clients": ["app"]}, None),
        ({"share": 0.999999}, None),
        ({"when": {"required": ["client"]}}, None),
    ],
)
def test_a_flag_says_whether_it_is_the_same_for_all_jobs(fields: Any, *, for_all: bool | None) -> None:
    made = flag(**fields)
    assert made.for_all is for_all
    if for_all is not None:
        assert {made.is_on(ask(number, client)) for number in range(50) for client in ("app", "b")} == {
            for_all
        }


def test_a_description_bounds_the_share() -> None:
    beta = {"properties": {"metadata": {"properties": {"tier": {"const": "beta"}}, "required": ["tier"]}}}
    assert flag(when=beta).is_on(ask(tier="beta"))
    assert not flag(when=beta).is_on(ask(tier="gold"))
    assert not flag(when=beta).is_on(ask())
    assert not flag(when=beta, share=0.0).is_on(ask(tier="beta"))


def test_a_decision_says_why() -> None:
    beta = {"required": ["client"], "properties": {"client": {"const": "beta"}}}
    some = flag(share=0.5, clients=["friend"], when=beta)
    assert some.decide(ask(client="friend")).why is FlagReason.CLIENT
    assert some.decide(ask(client="other")) == (False, FlagReason.WHEN, bucket_of("new-tokens", bytes(8)))
    assert flag(on=False).decide(ask()).why is FlagReason.OFF
    for number in range(100):
        decision = some.decide(ask(number, client="beta"))
        assert (decision.why, decision.on) == (FlagReason.SHARE, decision.bucket < 500_000)


@pytest.mark.parametrize("name", ["a", "auto_rollback", "new-tokens.2", "0" * 63])
def test_a_name_may_hold_letters_digits_dots_dashes_and_underscores(name: str) -> None:
    check_flag_name(name)


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a/b", "a\n", "\u00e4", "\ud800", "0" * 64])
def test_what_is_no_name_is_refused_with_what_may_be_one(name: str) -> None:
    with pytest.raises(FlagError, match="lower-case letters, digits, dots, dashes and underscores"):
        check_flag_name(name)


def test_the_end_is_kept_in_utc() -> None:
    document = FlagDocument.of(OWNED | {"expires_at": "2027-03-01T00:00:00+23:59"}).document
    assert document["expires_at"] == "2027-02-28T00:01:00Z"


def test_what_is_read_is_what_is_written() -> None:
    document = FlagDocument.of(OWNED | {"share": 0.25, "clients": ["app"]}).document
    assert FlagDocument.of(document).document == document


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "A flag is a JSON object."),
        ({"owner": "me"}, "expires_at"),
        (OWNED | {"expires_at": "2027-03-01T00:00:00"}, "expires_at"),
        (OWNED | {"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at is 9999-12-31T23:59:59-14:00"),
        (OWNED | {"expires_at": "2200-01-01T00:00:00Z"}, "name a time from 1970 to 2199"),
        (OWNED | {"expires_at": "0001-01-01T00:00:00+14:00"}, "name a time from 1970 to 2199"),
        (OWNED | {"owner": ""}, "owner"),
        (OWNED | {"share": 1.1}, "share"),
        (OWNED | {"share": float("nan")}, "share"),
        (OWNED | {"share": -0.1}, "share"),
        (OWNED | {"shares": 0.1}, "did you mean share"),
        (OWNED | {"clients": ["a\x00b"]}, "clients"),
        (OWNED | {"when": "beta"}, "when"),
        (OWNED | {"on": 1}, "on"),
        (OWNED | {"owner": "\ud800"}, "half of a surrogate pair"),
        (OWNED | {"clients": ["app", "b\udfff"]}, "half of a surrogate pair"),
        (OWNED | {"when": {"enum": [{"\ud800": 1}]}}, "half of a surrogate pair"),
        (OWNED | {"\ud800": 1}, "half of a surrogate pair"),
    ],
)
def test_a_mistake_is_named_by_its_field(document: Any, words: str) -> None:
    with pytest.raises(FlagError, match=words):
        FlagDocument.of(document)
