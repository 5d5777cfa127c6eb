"""What a rule does, in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from models_registry.core.routing.rule_changes import share_text
from models_registry.core.routing.rule_document import RuleDocument


def rule_words(model: str, rule: RuleDocument) -> str:
    """Return what answers for an alias: `echo:1, and echo:2 for 5 %`."""
    return ", ".join(_parts(model, rule))


def _parts(model: str, rule: RuleDocument) -> Iterator[str]:
    yield f"{model}:{rule.stable}"
    if rule.candidate:
        yield f"and {model}:{rule.candidate} for {share_text(rule.share)}"
    if rule.arms:
        arms = [f"{model}:{arm.version} for {share_text(arm.share)}" for arm in rule.arms]
        yield f"in an A/B test of {' and '.join(arms)}"
    if rule.cascade:
        cascade = rule.cascade
        at = f"below {cascade.escalate.below:g} at {cascade.escalate.pointer}"
        yield f"by a cascade of {cascade.first}, then {cascade.then} {at}"
    if rule.shadow:
        yield f"with {model}:{rule.shadow.version} as a shadow of {share_text(rule.shadow.share)}"
