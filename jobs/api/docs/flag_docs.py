"""The description of the requests of flags."""

from __future__ import annotations

from typing import Any

from jobs.api.docs import flag_examples
from jobs.api.docs.request_docs import body_of, schema_of

FLAG_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("FlagPut"), flag_examples.FLAG_PUTS))
}
FLAG_PREVIEW_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("FlagPreview"), flag_examples.FLAG_PREVIEWS))
}
