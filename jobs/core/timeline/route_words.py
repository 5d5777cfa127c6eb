"""Says in a sentence what a job asked for, where it was routed, and which version answers instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models_registry.core.routing.decision import Arm

Reroute = Literal["rescue", "take_back", "escalate", "degrade"]
_ARMS = {Arm.AB: "arm of an A/B test"}
_MOVED: dict[Reroute, str] = {
    "rescue": "rescued by {}",
    "take_back": "taken back to {}",
    "escalate": "sent on to {}",
    "degrade": "answered by {} after all",
}


@dataclass(frozen=True, slots=True)
class RouteWords:
    """What a job asked for and got; versions are written `model:version`.

    `rule` is the number of the rule that decided; None where an open circuit did. Each reroute
    names the version that got the job; `answers` is the version that has it now.
    """

    asked: str
    routed: str
    arm: Arm
    rule: int | None
    answers: str
    reroutes: Sequence[tuple[Reroute, str]] = ()


def route_sentence(words: RouteWords) -> str:
    """Return the sentence, such as `Asked minilm, routed to minilm:2 as candidate by rule 14.`."""
    by = f"by rule {words.rule}" if words.rule is not None else "because a circuit was open"
    parts = [f"Asked {words.asked}", f"routed to {words.routed} as {_ARMS.get(words.arm, words.arm)} {by}"]
    parts += [_MOVED[how].format(version) for how, version in words.reroutes]
    if words.answers != (words.reroutes[-1][1] if words.reroutes else words.routed):
        parts.append(f"runs on {words.answers} now")
    return ", ".join(parts) + "."
