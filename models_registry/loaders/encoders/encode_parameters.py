"""The parameters that a job may give an encoder: arguments of the library's own `encode` and `predict`.

For example:

{"task": "query", "dimensions": 256, "precision": "ubinary"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.struct_fields import FieldRow, about, did_you_mean, field_rows, first_fault

Count = Annotated[int, Meta(ge=1)]
Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]


class PromptParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """What all encoders take."""

    prompt_name: Annotated[
        str | None,
        about(
            "The name of the model's prompt that is put before each text.",
            default="that of the task, or the model's",
        ),
    ] = None


class TextParameters(PromptParameters, frozen=True, forbid_unknown_fields=True):
    """What the encoders of single texts take."""

    task: Annotated[
        Literal["query", "document"] | None,
        about(
            "What the text is in a search: its prompt and its route are those of `encode_query` or"
            " `encode_document`.",
            allowed="query or document",
            default="neither, as in `encode`",
        ),
    ] = None


class EmbeddingParameters(TextParameters, frozen=True, forbid_unknown_fields=True):
    """What an encoder of dense embeddings takes."""

    dimensions: Annotated[
        Count | None,
        about("Numbers of an embedding that are kept, from its start.", default="the model's"),
    ] = None
    normalize: Annotated[bool, about("Make the embedding's length 1, after cutting it to `dimensions`.")] = (
        False
    )
    precision: Annotated[
        Precision,
        about("The type of the numbers; `binary` and `ubinary` hold eight signs in a byte."),
    ] = "float32"


class SparseParameters(TextParameters, frozen=True, forbid_unknown_fields=True):
    """What an encoder of sparse embeddings takes."""

    max_active_dims: Annotated[
        Count | None, about("The largest values that are kept; so many at most.", default="the model's")
    ] = None


class MultiVectorParameters(TextParameters, frozen=True, forbid_unknown_fields=True):
    """What an encoder of an embedding for each token takes."""

    normalize: Annotated[bool, about("Make the length of each token's embedding 1.")] = False


class PairParameters(PromptParameters, frozen=True, forbid_unknown_fields=True):
    """What a reranker takes."""

    apply_softmax: Annotated[
        bool, about("Make probabilities of the scores, where the model has several labels.")
    ] = False


KINDS: Mapping[str, type[PromptParameters]] = {
    "embedding": EmbeddingParameters,
    "sparse": SparseParameters,
    "multi_vector": MultiVectorParameters,
    "cross_encoder": PairParameters,
}
Parameters = TypeVar("Parameters", bound=PromptParameters)


def read_parameters(kind: type[Parameters], values: Mapping[str, Any]) -> Parameters:
    """Return a job's parameters; InvalidInputError names the first wrong one, and those that there are."""
    try:
        return msgspec.convert(dict(values), kind)
    except msgspec.ValidationError:
        raise InvalidInputError(_fault(kind, values)) from None


def parameter_rows() -> list[tuple[str, FieldRow]]:
    """Return the kind of encoder and its row, for each parameter of each, for documentation."""
    return [(name, row) for name, kind in KINDS.items() for row in field_rows(kind)]


def _fault(kind: type[PromptParameters], values: Mapping[str, Any]) -> str:
    names = kind.__struct_fields__
    for name in values:
        if name not in names:
            hint = did_you_mean(name, names)
            return f"There is no parameter {name}{hint} The model's parameters: {', '.join(names)}."
    return first_fault(kind, values, noun="parameter")
