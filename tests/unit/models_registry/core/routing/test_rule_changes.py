"""What a rule changed of the one before it."""

from __future__ import annotations

from models_registry.core.routing.rule_changes import RuleChange, rule_changes, share_text

FIRST = {"stable": "1", "candidate": "2", "share": 0.01, "baseline": True, "cohorts": [], "salt": "s"}


def test_only_what_differs_is_named_with_both_values() -> None:
    assert rule_changes(FIRST, FIRST | {"share": 0.05}) == [RuleChange("share", "1 %", "5 %")]
    assert rule_changes(FIRST, FIRST | {"share": 0}) == [RuleChange("share", "1 %", "0 %")]


def test_a_first_rule_names_what_it_sets_and_what_decides_comes_first() -> None:
    names = [change.name for change in rule_changes(None, FIRST)]
    assert names == ["stable", "candidate", "share", "baseline", "salt"]
    assert all(change.before is None for change in rule_changes(None, FIRST))


def test_a_candidate_that_goes_and_a_cohort_that_comes_are_shown() -> None:
    cohort = {"when": {"properties": {"client": {"const": "shop"}}}, "arm": "candidate"}
    changes = rule_changes(FIRST, {"stable": "2", "candidate": None, "cohorts": [cohort]})
    assert RuleChange("stable", "1", "2") in changes
    assert RuleChange("candidate", "2", None) in changes
    (shown,) = [change.after for change in changes if change.name == "cohorts"]
    assert '"const": "shop"' in str(shown)


def test_a_share_has_no_more_digits_than_it_needs() -> None:
    assert [share_text(share) for share in (0.01, 0.125, 0.000001, 1)] == [
        "1 %",
        "12.5 %",
        "0.0001 %",
        "100 %",
    ]
