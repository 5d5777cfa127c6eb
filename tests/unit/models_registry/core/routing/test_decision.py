"""Which version a rule decides on: by cohorts first, then by the share of a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.core.routing.decision import (
    SAMPLE,
    Arm,
    Ask,
    CompiledRule,
    Decision,
    bucket_of,
    decide,
    is_copied,
)
from models_registry.core.routing.flag_document import CompiledFlag, FlagDocument
from models_registry.core.routing.rule_document import PPM, RuleDocument
from models_registry.core.version import VersionInfo

_LIMITS: Any = {"max_batch": 8, "max_padded_size": 0, "padded": False, "p95_goal_s": 1.0, "max_attempts": 3}
_CONTENTS: Any = {"input_schema": {}, "output_schema": {}, "example": None, "options": {}}
KEYS = [sha256(b"%d" % n).digest()[:8] for n in range(20_000)]


def version(number: int) -> VersionInfo:
    return VersionInfo(
        id=number, model_id=1, model="echo", version=str(number), loader="entry_point", artifact="a:b",
        sha256="", **_LIMITS, **_CONTENTS,
    )  # fmt: skip


STABLE, CANDIDATE = version(1), version(2)


def rule(*, candidate: VersionInfo | None = CANDIDATE, **fields: Any) -> CompiledRule:
    document = RuleDocument.of(
        {"stable": "1", "candidate": "2" if candidate else None, "salt": "salt", **fields}
    )
    return CompiledRule(3, 1, 7, document, STABLE, candidate)


def ask(key: bytes = b"12345678", **seen: Any) -> Ask:
    usual: dict[str, Any] = {"client": "olga", "priority": 4, "metadata": {}, "parameters": {}}
    return Ask(key, **(usual | seen))


def decided(rule: CompiledRule, keys: Iterable[bytes] = KEYS) -> list[Decision]:
    return [decide(rule, ask(key)) for key in keys]


def test_the_bucket_is_the_start_of_a_salted_hash() -> None:
    expected = int.from_bytes(sha256(b"salt" + b"12345678").digest()[:8]) % 1_000_000
    assert bucket_of("salt", b"12345678") == expected
    assert decide(rule(share=0.5), ask()).bucket == expected
    assert bucket_of("other", b"12345678") != expected


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.5, 0.99, 1.0])
def test_arms_get_their_shares(share: float) -> None:
    counts = Counter(decision.arm for decision in decided(rule(share=share, baseline=True)))
    baseline = share if share < 0.5 else 0.0
    for arm, expected in ((Arm.CANDIDATE, share), (Arm.BASELINE, baseline)):
        assert counts[arm] / len(KEYS) == pytest.approx(expected, abs=0.012)
    assert counts.total() == len(KEYS)
    assert (counts[Arm.STABLE] == 0) == (share == 1.0)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.499999, 0.5, 1.0])
def test_each_arm_begins_and_ends_at_its_bucket(share: float) -> None:
    ppm = round(share * PPM)
    by_bucket = {d.bucket: d.arm for d in decided(rule(share=share, baseline=True))}
    for bucket, arm in by_bucket.items():
        if bucket < ppm:
            assert arm is Arm.CANDIDATE
        elif share < 0.5 and bucket >= PPM - ppm:
            assert arm is Arm.BASELINE
        else:
            assert arm is Arm.STABLE


@given(st.binary(min_size=8, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_share_that_grows_keeps_whom_it_had(key: bytes, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    if decide(rule(share=smaller), ask(key)).arm is Arm.CANDIDATE:
        assert decide(rule(share=larger), ask(key)).arm is Arm.CANDIDATE


@given(st.binary(min_size=8, max_size=8), st.floats(0, 1), st.booleans())
def test_the_version_is_that_of_the_arm(key: bytes, share: float, baseline: bool) -> None:  # noqa: FBT001  # drawn
    decision = decide(rule(share=share, baseline=baseline), ask(key))
    assert decision.version is (CANDIDATE if decision.arm is Arm.CANDIDATE else STABLE)
    assert decision.arm is not Arm.FALLBACK
    assert decision == decide(rule(share=share, baseline=baseline), ask(key))


def test_the_candidate_and_its_baseline_are_evidence_and_of_the_stable_a_sample() -> None:
    decisions = decided(rule(share=0.02, baseline=True))
    assert all(d.counted for d in decisions if d.arm is not Arm.STABLE)
    stable = [d for d in decisions if d.arm is Arm.STABLE]
    assert {d.counted for d in stable if d.bucket < (1 + SAMPLE) * 20_000} == {True}
    assert {d.counted for d in stable if d.bucket >= (1 + SAMPLE) * 20_000} == {False}
    assert not any(d.counted for d in decided(rule(share=0.0)))
    assert all(d.counted for d in decided(rule(share=0.2)))


def test_a_rule_without_a_candidate_gives_all_to_the_stable_version() -> None:
    assert {(d.version, d.arm, d.counted) for d in decided(rule(candidate=None), KEYS[:50])} == {
        (STABLE, Arm.STABLE, False)
    }


def test_the_first_cohort_that_matches_decides_and_its_jobs_are_no_evidence() -> None:
    cohorts = [
        {"when": {"properties": {"priority": {"minimum": 8}}}, "arm": "stable"},
        {"when": {"properties": {"client": {"enum": ["olga"]}}}, "arm": "candidate"},
        {"when": {}, "arm": "stable"},
    ]
    compiled = rule(share=1.0, cohorts=cohorts)
    for seen, arm, why in (
        ({"priority": 9}, Arm.STABLE, "cohort 1"),
        ({"priority": 1}, Arm.CANDIDATE, "cohort 2"),
        ({"client": "otto"}, Arm.STABLE, "cohort 3"),
    ):
        decision = decide(compiled, ask(**seen))
        assert (decision.arm, decision.why, decision.counted) == (arm, why, False)


def test_a_cohort_looks_at_metadata_and_parameters() -> None:
    when = {
        "required": ["metadata", "parameters", "client", "priority"],
        "properties": {
            "metadata": {"properties": {"team": {"pattern": "^beta-"}}, "required": ["team"]},
            "parameters": {"properties": {"k": {"type": "integer"}}},
        },
    }
    compiled = rule(share=0.0, cohorts=[{"when": when, "arm": "candidate"}])

    def arm(**seen: Any) -> str:
        return decide(compiled, ask(**seen)).arm

    assert arm(metadata={"team": "beta-1"}) == "candidate"
    assert arm(metadata={"team": "beta-1"}, parameters={"k": "x"}) == "stable"
    assert arm(metadata={"team": "alpha"}) == "stable"
    assert arm() == "stable"


def ab(*shares: float, **fields: Any) -> CompiledRule:
    """Return an A/B test of versions 1, 2 and so on."""
    versions = [STABLE, CANDIDATE, version(3), version(4)][: len(shares)]
    arms = [{"version": one.version, "share": share} for one, share in zip(versions, shares, strict=True)]
    document = RuleDocument.of({"stable": "1", "arms": arms, "salt": "salt", **fields})
    return CompiledRule(3, 1, None, document, STABLE, None, tuple(versions))


def test_the_arms_of_a_test_get_their_shares_and_the_rest_is_no_part_of_it() -> None:
    test = ab(0.2, 0.3, 0.1)
    counts = Counter((decision.arm, decision.version.version) for decision in decided(test))
    expected = {(Arm.AB, "1"): 0.2, (Arm.AB, "2"): 0.3, (Arm.AB, "3"): 0.1, (Arm.STABLE, "1"): 0.4}
    assert counts.keys() == expected.keys()
    for place, share in expected.items():
        assert counts[place] / len(KEYS) == pytest.approx(share, abs=0.012)
    assert not any(decision.counted for decision in decided(test, KEYS[:99]))
    assert [one.version for one in test.versions] == ["1", "2", "3"]


def test_arms_that_add_up_to_all_leave_no_job_out() -> None:
    thirds = ab(1 / 3, 1 / 3, 1 / 3)
    assert {decision.arm for decision in decided(thirds)} == {Arm.AB}
    assert thirds.arm_ends[-1] == PPM


def test_a_cohort_keeps_jobs_out_of_a_test() -> None:
    compiled = ab(
        0.5, 0.5, cohorts=[{"when": {"properties": {"client": {"const": "otto"}}}, "arm": "stable"}]
    )
    assert decide(compiled, ask(client="otto")).arm is Arm.STABLE
    assert decide(compiled, ask(client="olga")).arm is Arm.AB


def test_a_shadow_is_resident_and_answers_no_job() -> None:
    document = RuleDocument.of({"stable": "1", "shadow": {"version": "2"}, "salt": "salt"})
    compiled = CompiledRule(3, 1, None, document, STABLE, None, shadow=CANDIDATE)
    assert compiled.versions == (STABLE,)
    assert compiled.resident == (STABLE, CANDIDATE)
    assert {decision.version for decision in decided(compiled, KEYS[:99])} == {STABLE}


def test_a_full_shadow_copies_all_jobs_and_a_share_that_grows_keeps_its_keys() -> None:
    def copied(share: float) -> set[bytes]:
        shadow = {"version": "2", "share": share}
        document = RuleDocument.of({"stable": "1", "shadow": shadow, "salt": "salt"})
        compiled = CompiledRule(3, 1, None, document, STABLE, None, shadow=CANDIDATE)
        return {key for key in KEYS[:500] if is_copied(compiled, key)}

    assert copied(0.0) == set()
    assert copied(1.0) == set(KEYS[:500])
    assert copied(0.1) < copied(0.4)
    assert 130 < len(copied(0.4)) < 270
    assert copied(0.1) != {key for key in KEYS[:500] if bucket_of("salt", key) < 100_000}


def test_a_cohort_is_of_the_jobs_for_which_its_flag_is_on_by_the_key_of_the_rule() -> None:
    half = flag(share=0.5)
    cohort = {"flag": "beta", "arm": "candidate"}
    ruled = CompiledRule(3, 1, 7, rule(cohorts=[cohort]).document, STABLE, CANDIDATE, flags={"beta": half})
    for key in KEYS[:2_000]:
        in_cohort = bucket_of("beta", key) < PPM // 2
        decision = decide(ruled, ask(key))
        assert (decision.arm is Arm.CANDIDATE, decision.why == "cohort 1") == (in_cohort, in_cohort)
        assert half.is_on(ask(key)) is in_cohort


def test_a_cohort_with_a_flag_and_a_schema_needs_both_and_the_next_one_is_looked_at() -> None:
    gold = {"properties": {"client": {"const": "gold"}}}
    cohorts = [{"flag": "beta", "when": gold, "arm": "candidate"}, {"when": gold, "arm": "stable"}]
    document = rule(cohorts=cohorts).document
    for on, why in ((True, "cohort 1"), (False, "cohort 2")):
        ruled = CompiledRule(3, 1, 7, document, STABLE, CANDIDATE, flags={"beta": flag(on=on)})
        assert decide(ruled, ask(client="gold")).why == why
        assert decide(ruled, ask(client="tin")).why == "share"


def test_a_flag_that_is_not_there_is_off() -> None:
    assert decide(rule(cohorts=[{"flag": "beta", "arm": "candidate"}]), ask()).why == "share"


def test_a_cohort_is_written_without_what_it_does_not_name() -> None:
    cohorts = ({"when": {}, "arm": "stable"}, {"flag": "beta", "arm": "candidate"})
    assert rule(cohorts=list(cohorts)).document.document["cohorts"] == cohorts


def flag(**fields: Any) -> CompiledFlag:
    owned = {"owner": "us", "expires_at": "2027-03-01T00:00:00Z"}
    return CompiledFlag("beta", FlagDocument.of(owned | fields))


def test_a_rule_without_the_later_parts_is_written_as_the_release_before_reads_it() -> None:
    plain = {"stable": "1", "candidate": "2", "share": 0.5, "salt": "salt"}
    known = {"stable", "candidate", "share", "baseline", "sticky", "cohorts", "schema", "salt"}
    assert RuleDocument.of(plain).document.keys() == known
    shadowed = RuleDocument.of({**plain, "shadow": {"version": "3"}}).document
    assert shadowed.keys() == known | {"shadow"}
    assert RuleDocument.of(shadowed).document == shadowed
