"""When two outputs agree, as a person writes it; `agree` compares two outputs. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from models_registry.core.struct_fields import about

Pointer = Annotated[str, Meta(pattern=r"^(/[^/\x00]*)*\Z", max_length=200)]
Tolerance = Annotated[float, Meta(ge=0, le=1e15)]  # an infinite one is no JSON, and would agree to anything


class Agreement(Struct, frozen=True, forbid_unknown_fields=True):
    """How the outputs of two versions are compared."""

    by: Annotated[
        Literal["exact", "numbers", "cosine", "label", "entry_point"], about("The kind of comparison.")
    ] = "exact"
    at: Annotated[Pointer, about("A JSON pointer to the part that is compared; empty: all of it.")] = ""
    atol: Annotated[Tolerance, about("`numbers`: the absolute tolerance.")] = 1e-6
    rtol: Annotated[Tolerance, about("`numbers`: the relative tolerance.")] = 1e-5
    cosine: Annotated[Annotated[float, Meta(gt=0, le=1)], about("`cosine`: the least similarity.")] = 0.999
    entry_point: Annotated[
        Annotated[str, Meta(pattern=r"^[^\x00]*\Z", max_length=200)],
        about(
            "`entry_point`: `package.module:name` of a function of both outputs, named in"
            " MODEL_ENTRY_POINTS. It returns whether they agree, or their distance: up to 1 they agree.",
            default="none",
        ),
    ] = ""
