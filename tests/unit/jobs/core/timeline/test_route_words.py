"""A job's way to its version, in a sentence."""

from __future__ import annotations

from typing import Any

from jobs.core.timeline.route_words import RouteWords, route_sentence
from models_registry.core.routing.decision import Arm


def told(**changes: Any) -> str:
    usual: dict[str, Any] = {"asked": "minilm", "routed": "minilm:2", "arm": Arm.CANDIDATE, "rule": 14,
                             "answers": "minilm:2"}  # fmt: skip
    return route_sentence(RouteWords(**(usual | changes)))


def test_a_rescued_job_names_both_versions_and_the_rule() -> None:
    rescued = told(answers="minilm:1", reroutes=[("rescue", "minilm:1")])
    assert rescued == "Asked minilm, routed to minilm:2 as candidate by rule 14, rescued by minilm:1."
    taken = told(answers="minilm:1", reroutes=[("take_back", "minilm:1")])
    assert taken == "Asked minilm, routed to minilm:2 as candidate by rule 14, taken back to minilm:1."


def test_a_job_that_stayed_has_no_more_to_say() -> None:
    assert told() == "Asked minilm, routed to minilm:2 as candidate by rule 14."


def test_a_replay_on_another_version_is_named() -> None:
    assert told(answers="minilm:3").endswith("by rule 14, runs on minilm:3 now.")
    rescued = told(answers="minilm:3", reroutes=[("rescue", "minilm:1")])
    assert rescued.endswith("rescued by minilm:1, runs on minilm:3 now.")


def test_a_fallback_has_no_rule() -> None:
    fallback = told(arm=Arm.FALLBACK, rule=None, routed="minilm:1", answers="minilm:1")
    assert fallback == "Asked minilm, routed to minilm:1 as fallback because a circuit was open."
