"""The description of shadows: the requests, the page and the picture."""

from __future__ import annotations

from typing import Any

from jobs.api.docs import shadow_examples
from jobs.api.docs.named_schemas import BINARY
from jobs.api.docs.request_docs import body_of, schema_of
from jobs.api.docs.response_docs import by_example

ACT_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("ShadowAct"), shadow_examples.ACTS))
    | {"required": False}
}
PAGE_DOC: dict[str, Any] = {"responses": {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}}
PICTURE = {"schema": BINARY, "examples": by_example(shadow_examples.PICTURE)}
PICTURE_DOC: dict[str, Any] = {"responses": {200: {"content": {"image/png": PICTURE}}}}
