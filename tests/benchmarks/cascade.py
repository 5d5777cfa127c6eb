"""Cascades on real work: how many inputs go on, how many are answered right, and the models' time for one.

The models run in this process, each input alone, and the product's own plan and checks decide. Digits: a
logistic regression and a support vector machine over 899 images that they were not trained on, three splits.
Languages: py3langid and lingua over Django's own translations, 100 short sentences of each of 12 languages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from models_registry.core.refs import Ref
from models_registry.core.routing.cascade import CascadeDocument, Escalate
from models_registry.core.routing.cascade_plan import Plan, judged, plan_of
from models_registry.core.runner import Item
from tests.benchmarks.figure import Figure, at_least
from tests.support import cascade_digits, cascade_languages

BELOW = 0.7
SPLITS = range(3)
EACH = 100
PER_CENT = 100
Pairs = Sequence[tuple[Any, Any]]


class Tried(NamedTuple):
    """Parts of the inputs that were answered right or went on, and milliseconds a model ran for an input."""

    light: float
    heavy: float
    cascade: float
    onward: float
    light_ms: float
    heavy_ms: float

    @property
    def cascade_ms(self) -> float:
        return self.light_ms + self.onward * self.heavy_ms


def measure() -> Iterator[Figure]:
    tried = [
        _tried(
            cascade_digits.light({"split": split}, "cpu"),
            cascade_digits.heavy({"split": split}, "cpu"),
            cascade_digits.tried_on(split),
            "digit",
        )
        for split in SPLITS
    ]
    for split, one in zip(SPLITS, tried, strict=True):
        yield from _figures(f"digits, split {split}", one)
    gained = min(one.cascade - one.light for one in tried)
    yield at_least("digits: points above the light model, worst split", PER_CENT * gained, 1.5)
    pairs = cascade_languages.sentences(EACH)
    languages = _tried(
        cascade_languages.light({}, "cpu"), cascade_languages.heavy({}, "cpu"), pairs, "language"
    )
    yield from _figures(f"{len(pairs):,} sentences", languages)
    lost = PER_CENT * (languages.cascade - languages.heavy)
    yield at_least("languages: points above the heavy model", lost, -0.5)


def _figures(what: str, tried: Tried) -> Iterator[Figure]:
    parts = {"light": tried.light, "cascade": tried.cascade, "heavy": tried.heavy}
    shown = ", ".join(f"{name} {PER_CENT * part:.1f} %" for name, part in parts.items())
    yield Figure(f"{what}: right", shown)
    yield Figure(f"{what}: goes on", f"{PER_CENT * tried.onward:.1f} %")
    times = f"light {tried.light_ms:.3f}, cascade {tried.cascade_ms:.3f}, heavy {tried.heavy_ms:.3f} ms"
    yield Figure(f"{what}: the models' time for one", times)


def _tried(light: Any, heavy: Any, pairs: Pairs, at: str) -> Tried:
    plan = _plan()
    firsts, light_ms = _answers(light, pairs)
    lasts, heavy_ms = _answers(heavy, pairs)
    onward = [judged(plan[0], output).check is not None for output in firsts]
    chosen = [last if goes_on else first for first, last, goes_on in zip(firsts, lasts, onward, strict=True)]
    return Tried(
        _right(firsts, pairs, at), _right(lasts, pairs, at), _right(chosen, pairs, at), fmean(onward),
        light_ms, heavy_ms,
    )  # fmt: skip


def _plan() -> Plan:
    cascade = CascadeDocument("m:light", "m:heavy", Escalate("/confidence", BELOW))
    none: Callable[[Ref], None] = lambda _: None  # noqa: E731  # no alias stands in it
    return plan_of(Ref("m", alias="default"), cascade, none, str)


def _answers(model: Any, pairs: Pairs) -> tuple[list[Any], float]:
    outputs = list[Any]()
    began = time.perf_counter()
    for value, _ in pairs:
        outputs += model.outputs(model.run(model.collate([Item(value)])))
    return outputs, (time.perf_counter() - began) / len(pairs) * 1e3


def _right(outputs: Sequence[Any], pairs: Pairs, at: str) -> float:
    return fmean(output[at] == right for output, (_, right) in zip(outputs, pairs, strict=True))
