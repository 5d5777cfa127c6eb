"""Typed fields in words: what each allows, what is wrong with a value, and rows for documentation.

Options and settings are declared once, as annotated fields of a Struct or a dataclass. Error messages and
documents are made from that declaration, so that they cannot disagree with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta, inspect

_MOST_SHOWN = 100


class FieldRow(NamedTuple):
    """One field for a table in a document; a field of a nested object has a dotted name."""

    name: str
    type: str
    default: str
    description: str


def about(description: str, **extra: Any) -> Meta:
    """Return the annotation of a field: its description; `allowed` and `default` replace generated words."""
    return Meta(description=description, extra=extra or None)


def nearest(name: str, names: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the one of `names` that `name` was probably meant to be; None if none is alike."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=likeness)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that reports an unknown name."""
    match = nearest(name, names)
    return f"; did you mean {match}?" if match else "."


def allowed(kind: Any) -> str:
    """Return what values an annotated type allows, such as `a whole number from 1 to 366`."""
    return _allowed(inspect.type_info(kind))


def first_fault(
    kind: type, values: Mapping[str, Any], *, strict: bool = True, prefix: str = "", noun: str = "option"
) -> str:
    """Return a sentence on the first entry of `values` that is no valid field of `kind`; empty if all are.

    `noun` is the word for a field.
    """
    types = get_type_hints(kind, include_extras=True)
    faults = (_fault(types, name, value, prefix, noun, strict=strict) for name, value in values.items())
    return next(filter(None, faults), "")


def field_rows(kind: type, prefix: str = "") -> list[FieldRow]:
    """Return a row for each field that has a description, nested objects included, in declared order."""
    rows: list[FieldRow] = []
    for field in _fields_of(inspect.type_info(kind)):
        if text := description_of(field.type):
            name = f"{prefix}{field.name}"
            rows.append(FieldRow(name, _allowed(field.type), _default(field), text))
            nested = _nested(field.type)
            rows += field_rows(nested, f"{name}.") if nested else []
    return rows


def description_of(info: inspect.Type) -> str:
    """Return the description that the annotation of a field holds; empty if it has none."""
    if not isinstance(info, inspect.Metadata):
        return ""
    return str((info.extra_json_schema or {}).get("description", ""))


def extra_of(info: inspect.Type) -> Mapping[str, Any]:
    """Return the entries of `Meta(extra=…)` in the annotation of a field."""
    return (isinstance(info, inspect.Metadata) and info.extra) or {}


def _fault(  # one entry's place, each part by name
    types: Mapping[str, Any], name: str, value: Any, prefix: str, noun: str, *, strict: bool
) -> str:
    if name not in types:
        place = f" The {noun} {prefix.rstrip('.')} takes {', '.join(sorted(types))}." if prefix else ""
        return f"There is no {noun} {prefix}{name}{did_you_mean(name, types)}{place}"
    try:
        msgspec.convert(value, types[name], strict=strict)
    except msgspec.ValidationError:
        nested = _nested(inspect.type_info(types[name]))
        if nested and isinstance(value, Mapping):
            return first_fault(nested, value, strict=strict, prefix=f"{prefix}{name}.", noun=noun)
        return f"The {noun} {prefix}{name} is {short_repr(value)}; it must be {allowed(types[name])}."
    return ""


def half_pair_fault(document: Any, noun: str) -> str:
    """Return a sentence where a text in a document holds half of a surrogate pair; empty if none does.

    JSON can write such a half, but it is no character: no text with it can be compared, hashed or stored.
    """
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return f"A text in the {noun} holds half of a surrogate pair, which is no character."
    return ""


def short_repr(value: Any) -> str:
    """Return the repr of a value, cut off if it is long."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _allowed(info: inspect.Type) -> str:
    if words := extra_of(info).get("allowed"):
        return str(words)
    if isinstance(info, inspect.Metadata):
        return _allowed(info.type)
    if isinstance(info, inspect.UnionType):
        return " or ".join(_allowed(member) for member in info.types)
    if isinstance(info, inspect.LiteralType):
        return f"one of {', '.join(map(str, info.values))}"
    bounds = _bounds(info) if isinstance(info, inspect.IntType | inspect.FloatType) else ""
    return _WORDS[type(info)] + bounds


_WORDS: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "a text",
    inspect.StructType: "an object",
    inspect.NoneType: "null",
    inspect.VarTupleType: "a list",
    inspect.BytesType: "bytes",
}


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    if info.gt is not None:
        return f" above {_digits(info.gt)}" + ("" if info.le is None else f", at most {_digits(info.le)}")
    if info.ge is None or info.le is None:
        return "" if info.ge is None else f" of at least {_digits(info.ge)}"
    return f" from {_digits(info.ge)} to {_digits(info.le)}"


def _digits(bound: float) -> str:
    return f"{bound:,.0f}" if bound == int(bound) else f"{bound:g}"


def _default(field: inspect.Field) -> str:
    words, value = extra_of(field.type).get("default"), field.default
    if words is not None:
        return str(words)
    if _nested(field.type) or value in (msgspec.NODEFAULT, None):
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nested(info: inspect.Type) -> type | None:
    while isinstance(info, inspect.Metadata):
        info = info.type
    return info.cls if isinstance(info, inspect.StructType) else None


def _fields_of(info: inspect.Type) -> Iterable[inspect.Field]:
    return info.fields if isinstance(info, inspect.StructType | inspect.DataclassType) else ()
