"""scikit-learn's digits: a light model, a heavy one, and one that exchanges two labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from models_registry.core.runner import Item

LIGHT, HEAVY, EXCHANGED = (f"{__name__}:{name}" for name in ("light", "heavy", "exchanged"))
ENTRY_POINTS = LIGHT, HEAVY, EXCHANGED
TRAINED_ON = 1_000
INPUT_SCHEMA = {
    "type": "object",
    "properties": {"pixels": {"type": "array", "items": {"type": "number"}, "minItems": 64, "maxItems": 64}},
    "required": ["pixels"],
}
OUTPUT_SCHEMA = {"type": "object", "properties": {"digit": {"type": "integer"}}, "required": ["digit"]}


class Digits:
    """Answers with the digit, after `swapped` has been applied to it."""

    def __init__(self, estimator: Any, swapped: Mapping[int, int]) -> None:
        self._estimator, self._swapped = estimator, swapped

    def key(self, item: Item) -> Hashable:
        return len(item.parameters)

    def collate(self, items: Sequence[Item]) -> Any:
        return [item.input["pixels"] for item in items]

    def run(self, batch: Any) -> Any:
        return self._estimator.predict(batch)

    def outputs(self, raw: Any) -> list[Any]:
        return [{"digit": self._swapped.get(int(digit), int(digit))} for digit in raw]


def light(options: Mapping[str, Any], device: str) -> Digits:
    return Digits(_logistic(), {})


def heavy(options: Mapping[str, Any], device: str) -> Digits:
    return Digits(_svc(), {})


def exchanged(options: Mapping[str, Any], device: str) -> Digits:
    return Digits(_svc(), {3: 8, 8: 3})


def unseen() -> list[tuple[dict[str, Any], int]]:
    """Return inputs that no model was trained on, each with its true label."""
    pixels, digits = load_digits(return_X_y=True)
    pairs = zip(pixels[TRAINED_ON:], digits[TRAINED_ON:], strict=True)
    return [({"pixels": image.tolist()}, int(digit)) for image, digit in pairs]


@cache
def _logistic() -> Any:
    return LogisticRegression(max_iter=2_000).fit(*_training())


@cache
def _svc() -> Any:
    return SVC(gamma=0.001).fit(*_training())


def _training() -> tuple[Any, Any]:
    pixels, digits = load_digits(return_X_y=True)
    return pixels[:TRAINED_ON], digits[:TRAINED_ON]
