"""A rule says in a sentence what it does."""

from __future__ import annotations

from typing import Any

import pytest

from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.routing.rule_words import rule_words

CASCADE = {
    "first": "echo:1",
    "then": "other:2",
    "escalate": {"pointer": "/confidence", "below": 0.7},
}

STEPS = "by a cascade of echo:1, then other:2 below 0.7 at /confidence"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "echo:1"),
        ({"candidate": "2", "share": 0.05}, "echo:1, and echo:2 for 5 %"),
        (
            {"arms": [{"version": "1", "share": 0.5}, {"version": "2", "share": 0.25}]},
            "echo:1, in an A/B test of echo:1 for 50 % and echo:2 for 25 %",
        ),
        (
            {"cascade": CASCADE, "shadow": {"version": "3"}},
            f"echo:1, {STEPS}, with echo:3 as a shadow of 100 %",
        ),
    ],
)
def test_a_rule_in_words(fields: dict[str, Any], words: str) -> None:
    assert rule_words("echo", RuleDocument.of({"stable": "1", **fields})) == words
