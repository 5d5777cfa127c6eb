"""The changes of an API description that would break its clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]


def breaks(old: Schema, new: Schema) -> list[str]:
    """Return a line for each promise of `old` that `new` does not keep."""
    return [*_calls(old, new), *_components(old, new)]


def _calls(old: Schema, new: Schema) -> Iterator[str]:
    for path, calls in old["paths"].items():
        for method, call in calls.items():
            here = new["paths"].get(path, {}).get(method)
            if here is None:
                yield f"{method} {path} is gone"
                continue
            yield from (f"{method} {path}: {line}" for line in _call(call, here))
            yield from (f"{method} {path}: {line}" for line in _bodies(_Body(old, call), _Body(new, here)))


def _call(old: Schema, new: Schema) -> Iterator[str]:
    if old["operationId"] != new["operationId"]:
        yield f"the operation id {old['operationId']} is gone"
    gone = [status for status in old["responses"] if status < "400" and status not in new["responses"]]
    yield from (f"the answer {status} is gone" for status in gone)
    before = {parameter["name"] for parameter in old.get("parameters", ()) if parameter.get("required")}
    for parameter in new.get("parameters", ()):
        if parameter.get("required") and parameter["name"] not in before:
            yield f"the parameter {parameter['name']} is required now"
    names = {parameter["name"] for parameter in new.get("parameters", ())}
    yield from (
        f"the parameter {p['name']} is gone" for p in old.get("parameters", ()) if p["name"] not in names
    )


class _Body(NamedTuple):
    document: Schema
    call: Schema

    def schemas(self) -> dict[str, Schema]:
        """Return by media type the schema of what a client sends, of NDJSON that of a line."""
        content = self.call.get("requestBody", {}).get("content", {})
        return {
            kind: self.named(media.get("x-itemSchema", media["schema"])) for kind, media in content.items()
        }

    def named(self, schema: Schema) -> Schema:
        """Return a schema without references."""
        if "$ref" in schema:
            return self.named(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        return {**schema, "items": self.named(schema["items"])} if "items" in schema else schema


def _bodies(old: _Body, new: _Body) -> Iterator[str]:
    there = new.schemas()
    for kind, schema in old.schemas().items():
        yield from _asked(schema, there[kind]) if kind in there else [f"{kind} is not taken any more"]


def _asked(old: Schema, new: Schema) -> Iterator[str]:
    """Breaks in what a client may send: new requirements, or values no longer allowed."""
    if "items" in old:
        yield from _asked(old["items"], new.get("items", {}))
    yield from (
        f"{name} is required now" for name in set(new.get("required", ())) - set(old.get("required", ()))
    )
    gone = old.get("properties", {}).keys() - new.get("properties", {}).keys()
    yield from (f"{name} is not taken any more" for name in gone)


def _components(old: Schema, new: Schema) -> Iterator[str]:
    """Breaks in what a client reads: removed members, or changed types."""
    schemas = new["components"]["schemas"]
    for name, schema in old["components"]["schemas"].items():
        properties = schemas.get(name, {}).get("properties", {})
        for field, subschema in schema.get("properties", {}).items():
            if field not in properties:
                yield f"{name}.{field} is gone"
            elif _type(subschema) != _type(properties[field]):
                yield f"{name}.{field} is another type"


def _type(schema: Schema) -> Any:
    options = {_type(option) for option in schema.get("anyOf", ())}
    return frozenset(options) if options else (schema.get("type"), schema.get("format"), schema.get("$ref"))
