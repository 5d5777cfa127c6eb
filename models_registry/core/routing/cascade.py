"""A cascade: a light version answers first, and a heavy one where the light one is not sure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from models_registry.core.agreement.pointers import part_at
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import RuleError
from models_registry.core.struct_fields import about

MOST_STEPS = 3
MOST = 1e300  # of a threshold and of a confidence: of larger ones no difference can be drawn

Reference = Annotated[str, Meta(min_length=1, max_length=127)]
Pointer = Annotated[
    str,
    Meta(
        pattern=r"^(/[^/\x00]*)+\Z",
        max_length=200,
        extra={"allowed": "a JSON pointer, such as `/confidence`"},
    ),
]


class Escalate(Struct, frozen=True, forbid_unknown_fields=True):
    """When the second version is asked: by a number in the first one's answer."""

    pointer: Annotated[Pointer, about("Where the confidence is in the answer.")]
    below: Annotated[
        Annotated[float, Meta(gt=-MOST, lt=MOST)], about("A confidence below this is not enough.")
    ]


class CascadeDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """Two steps of one job; a step may name an alias whose rule is a cascade again."""

    first: Annotated[Reference, about("What answers first: `name:version` or `name@alias`.")]
    then: Annotated[Reference, about("What answers where that is not sure.")]
    escalate: Annotated[Escalate, about("When the second step is taken.")]
    on_failure: Annotated[
        Literal["degraded", "fail"],
        about("What becomes of a job whose second step fails: the first answer, marked so, or a failure."),
    ] = "degraded"


class EscalateReason(StrEnum):
    """Why a job goes to the second step; the value is stored and shown."""

    BELOW = "below"
    NO_CONFIDENCE = "no_confidence"  # it is missing, or no number


def escalation(escalate: Escalate, output: Any) -> tuple[EscalateReason | None, float | None]:
    """Return why an answer is not enough, None where it is, and the confidence that it has.

    Without a number between -1e300 and 1e300 where the confidence should be nobody knows how sure the answer
    is: it goes on.
    """
    confidence = _number(part_at(output, escalate.pointer))
    if confidence is None:
        return EscalateReason.NO_CONFIDENCE, None
    return (EscalateReason.BELOW if confidence < escalate.below else None), confidence


def check_steps(
    name: Ref, cascade: CascadeDocument, rule_of: Callable[[Ref], CascadeDocument | None]
) -> list[Ref]:
    """Return the versions and plain aliases of all steps; RuleError for a circle, and for too many rules.

    `name` is the alias that the cascade is of, `rule_of` says which cascade an alias has, if any.
    """
    return _steps(cascade, rule_of, (name,))


def named_models(cascade: CascadeDocument, rule_of: Callable[[Ref], CascadeDocument | None]) -> Iterator[str]:
    """Yield the model of each step, also behind aliases, each before anything is read of it.

    ModelNotFoundError for a step that is no reference. `rule_of` says which cascade an alias has, if any.
    """
    waiting, seen = [cascade], set[Ref]()
    while waiting:
        inner = waiting.pop()
        for text in (inner.first, inner.then):
            ref = Ref.parse(text)
            yield ref.name
            if ref.version or ref in seen:
                continue
            seen.add(ref)
            if (own := rule_of(ref)) is not None:
                waiting.append(own)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # JSON has integers of any length, and NaN is between no two numbers.
    return float(value) if -MOST < value < MOST else None


def _steps(
    cascade: CascadeDocument, rule_of: Callable[[Ref], CascadeDocument | None], inside: Sequence[Ref]
) -> list[Ref]:
    steps = list[Ref]()
    for text in (cascade.first, cascade.then):
        ref = Ref.parse(text)
        if ref in inside:
            raise RuleError(f"The cascade of {inside[0]} comes back to {ref}: no job would ever end.")
        own = None if ref.version else rule_of(ref)
        if own is None:
            steps.append(ref)
            continue
        if len(inside) == MOST_STEPS:
            raise RuleError(f"The cascade of {inside[0]} is deeper than {MOST_STEPS} rules.")
        steps += _steps(own, rule_of, (*inside, ref))
    return steps
