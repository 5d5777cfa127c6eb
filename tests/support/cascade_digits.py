"""Digits for a cascade: a logistic regression that says how sure it is, and a support vector machine.

They are trained on 898 of scikit-learn's 1,797 images, and tried on the other 899. `split` is an option of a
version, so that several splits can be tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from models_registry.core.runner import Item
from tests.support.digit_models import Digits

LIGHT, HEAVY = (f"{__name__}:{name}" for name in ("light", "heavy"))
TRIED_ON = 899
BRIGHTEST = 16.0


class SureDigits(Digits):
    """Answers with the digit, and with how sure it is."""

    def collate(self, items: Sequence[Item]) -> Any:
        return [[value / BRIGHTEST for value in item.input["pixels"]] for item in items]

    def run(self, batch: Any) -> Any:
        return self._estimator.predict_proba(batch)

    def outputs(self, raw: Any) -> list[Any]:
        return [{"digit": int(row.argmax()), "confidence": float(row.max())} for row in raw]


def light(options: Mapping[str, Any], device: str) -> SureDigits:
    return SureDigits(logistic(options.get("split", 0)), {})


def heavy(options: Mapping[str, Any], device: str) -> Digits:
    return Digits(svc(options.get("split", 0)), {})


def tried_on(number: int = 0) -> list[tuple[dict[str, Any], int]]:
    """Return inputs that no model of this split was trained on, each with its true label."""
    _, pixels, _, digits = split(number)
    pairs = zip(pixels, digits, strict=True)
    return [({"pixels": image.tolist()}, int(digit)) for image, digit in pairs]


def answers(model: Digits, inputs: Sequence[Any]) -> list[Any]:
    """Return a model's outputs for inputs, as one batch."""
    items = [Item(value, {}) for value in inputs]
    return model.outputs(model.run(model.collate(items)))


@cache
def split(number: int) -> Any:
    """Return images and digits to train on and to try on, by the number of the split."""
    pixels, digits = load_digits(return_X_y=True)
    train, tried, train_digits, tried_digits = train_test_split(
        pixels, digits, test_size=TRIED_ON, random_state=number, stratify=digits
    )
    return train, tried, train_digits, tried_digits


@cache
def logistic(number: int) -> Any:
    pixels, _, digits, _ = split(number)
    return LogisticRegression(max_iter=5_000).fit(pixels / BRIGHTEST, digits)


@cache
def svc(number: int) -> Any:
    pixels, _, digits, _ = split(number)
    return SVC(gamma=0.001).fit(pixels, digits)
