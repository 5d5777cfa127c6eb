"""The description of feedback and of the page of an A/B test."""

from __future__ import annotations

from typing import Any

from jobs.api.docs import feedback_examples
from jobs.api.docs.request_docs import body_of, schema_of

FEEDBACK_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("FeedbackGiven"), feedback_examples.GIVEN))
}
MANY_DOC: dict[str, Any] = {
    "requestBody": body_of(("application/json", schema_of("FeedbackMany"), feedback_examples.MANY))
}
PAGE_DOC: dict[str, Any] = {"responses": {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}}
