"""Rows of a table in jobs: `{"data": [1, 2.5, null]}`, or by the names of a model's features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models_registry.core.output import DTYPES, Output
from models_registry.core.registry_errors import InvalidInputError

INPUT = "data"
PREDICTION, PROBABILITIES = "prediction", "probabilities"


@dataclass(frozen=True, slots=True)
class Features:
    """How many numbers a row has, and their names where there are some."""

    count: int
    names: tuple[str, ...] = ()

    def table(self, inputs: Sequence[Any]) -> np.ndarray[Any, Any]:
        """Return the inputs as rows of float64, NaN for null; InvalidInputError."""
        return np.array([self._row(value) for value in inputs], dtype=np.float64)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of an input."""
        number = {"type": ["number", "null"]}
        row: dict[str, Any] = {
            "type": "array",
            "items": number,
            "minItems": self.count,
            "maxItems": self.count,
        }
        if self.names:
            row |= {
                "type": ["array", "object"],
                "properties": dict.fromkeys(self.names, number),
                "required": list(self.names),
            }
        return {"type": "object", "properties": {INPUT: row}, "required": [INPUT]}

    def _row(self, value: Any) -> Sequence[float]:
        row = data_of(value)
        if self.names and isinstance(row, Mapping):
            missing = [name for name in self.names if name not in row]
            if missing:
                raise InvalidInputError(f"{INPUT} has no {', '.join(missing[:5])}.")
            row = [row[name] for name in self.names]
        if not isinstance(row, list) or len(row) != self.count:
            raise InvalidInputError(f"{INPUT} must be a list of {self.count} numbers.")
        return [_number(value) for value in row]


def data_of(value: Any) -> Any:
    """Return the property `data` of an input; InvalidInputError."""
    if not isinstance(value, Mapping) or INPUT not in value:
        raise InvalidInputError(f'The input has no {INPUT}: {{"{INPUT}": …}} is expected.')
    return value[INPUT]


def predictions(rows: Any, labels: Sequence[Any] = ()) -> list[Any]:
    """Return an output for each row: the numbers, or the most probable of `labels` with the others."""
    if labels:
        return [_labelled(row, labels) for row in np.asarray(rows)]
    return [named(row, PREDICTION) for row in rows]


def named(row: Any, name: str) -> Any:
    """Return a row of numbers as bytes, and anything else as it is, under `name`."""
    if getattr(row, "ndim", 0) and str(row.dtype) in DTYPES:
        return Output.of_array(row, field=name)
    return {name: row}


def _labelled(row: Any, labels: Sequence[Any]) -> dict[str, Any]:
    if row.ndim == 0:  # the probability of the second of two
        row = np.array([1 - row, row])
    likely = labels[int(row.argmax())]
    return {PREDICTION: likely, PROBABILITIES: dict(zip(map(str, labels), row.tolist(), strict=True))}


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            pass
    raise InvalidInputError(f"{INPUT} holds something that is no number.")
