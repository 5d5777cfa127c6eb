"""What a model of one's own says about itself, in code or in `model.toml`; no Django is imported for it.

    from models_registry.core.own_model import model

    @model(max_batch=32, example={"text": "hi"})
    class Shout:
        def run(self, inputs): ...

It lives in the core because the core is held to import no framework: a model's tests can import it anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, overload

import msgspec
from msgspec import Meta

from models_registry.core.registry_errors import RegistrationError

Kind = TypeVar("Kind", bound=type)
ATTRIBUTE = "__inference_model__"
Limit = Annotated[int, Meta(ge=1)]


class OwnModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The columns of a version that its maker sets; what is None has the platform's default.

    Schemas are made of the hints of `run` where they are not given. `class` is the class in `model.py`.
    """

    class_name: str | None = msgspec.field(default=None, name="class")
    name: str | None = None
    version: str | None = None
    max_batch: Limit | None = None
    max_padded_size: Annotated[int, Meta(ge=0)] | None = None
    padded: bool | None = None
    p95_goal_s: Annotated[float, Meta(gt=0)] | None = None
    max_attempts: Limit | None = None
    options: dict[str, Any] | None = None
    example: Any = None
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any], place: str) -> OwnModel:
        """Read the fields that `place` gives; RegistrationError names what is wrong."""
        try:
            return msgspec.convert(msgspec.to_builtins(fields), cls)
        except (msgspec.ValidationError, TypeError) as error:
            names = ", ".join(cls.__struct_encode_fields__)
            raise RegistrationError(f"{place}: {error}. It may have: {names}.") from None

    @property
    def given(self) -> dict[str, Any]:
        """Return what was set, by name."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


@overload
def model(kind: Kind, /) -> Kind: ...


@overload
def model(**fields: Any) -> Callable[[Kind], Kind]: ...


def model(kind: Any = None, /, **fields: Any) -> Any:
    """Mark the class of a folder that is its model, and set fields of `OwnModel`; RegistrationError."""
    if outside := {"class", "name", "version"} & fields.keys():
        raise RegistrationError(
            f"@model: {min(outside)} is known before any code runs: set it in model.toml."
        )
    declared = OwnModel.of(fields, "@model")

    def mark(marked: Kind) -> Kind:
        setattr(marked, ATTRIBUTE, declared)
        return marked

    return mark if kind is None else mark(kind)


def declared_by(kind: type) -> OwnModel | None:
    """Return what `@model` set on this class itself; None where it is not marked."""
    declared = vars(kind).get(ATTRIBUTE)
    return declared if isinstance(declared, OwnModel) else None
