"""The description of reports on cascades: their requests, forms and examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.api.docs.cascade_examples import PAGE, PICTURE, REQUESTS
from jobs.api.docs.request_docs import body_of, header, schema_of
from jobs.api.docs.response_docs import by_example

_ACCEPT = header(
    "Accept",
    {"type": "string"},
    "`text/html` returns a page, `image/png` the curve over the threshold where a job has ended, and anything"
    " else JSON.",
    "image/png",
)
_FORMS = {
    "text/html": {"schema": {"type": "string"}, "examples": by_example(PAGE)},
    "image/png": {"schema": {"type": "string", "format": "binary"}, "examples": by_example(PICTURE)},
}
CASCADE_DOC: dict[str, Any] = {"parameters": [_ACCEPT], "responses": {200: {"content": _FORMS}}}
LABELLED_DOC: dict[str, Any] = CASCADE_DOC | {
    "requestBody": body_of(("application/json", schema_of("CascadeAsk"), REQUESTS)) | {"required": True}
}
_AT = (
    "A JSON pointer to the label in an output. By default where the last version's option `agreement`"
    " compares labels, or `/label`."
)
# Parameters that mean something else elsewhere.
CASCADE_PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "alias": ("The alias whose rule it is.", "default"),
    "number": ("The rule's number; the highest one of its alias is in force.", 15),
    "at": (_AT, "/digit"),
    "most": ("The newest jobs, at most so many; of a POST its body decides.", 1_000),
}
