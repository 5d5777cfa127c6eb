"""Messages that no publisher of ours sends, by the fault in them."""

from __future__ import annotations

import json
import zlib
from typing import Any
from uuid import uuid4

from amqp.basic_message import Message

from jobs.core.messages.envelope import TASK_NAME

HEADERS: dict[str, Any] = {"lang": "py", "task": TASK_NAME, "id": str(uuid4()), "retries": 0, "eta": None}
BODY = json.dumps([[], {"v": 2}, {}])


def malformed(body: str | bytes = BODY, *, content_type: str = "application/json", **headers: Any) -> Message:
    """Return a task's message with one thing wrong; a header that is `...` is missing."""
    headers = {key: value for key, value in (HEADERS | headers).items() if value is not ...}
    kinds = {"content_type": content_type, "content_encoding": "utf-8"}
    return Message(body, **kinds, delivery_mode=2, message_id=str(uuid4()), application_headers=headers)


MALFORMED = {
    "an empty list": malformed("[]"),
    "a number": malformed("5"),
    "an empty object": malformed("{}"),
    "not JSON": malformed(b"\xff\xfe{"),
    "no id": malformed(id=...),
    "no task": malformed(task=...),
    "a list for a task": malformed(task=["jobs.infer"]),
    "an unknown task": malformed(task="jobs.unheard_of"),
    "a task of the CPU worker": malformed("[[], {}, {}]", task="jobs.keep_retention"),
    "a task of Celery's own": malformed('[[{"task": "jobs.keep_retention"}, []], {}, {}]', task="celery.map"),
    "a pickle": malformed(b"\x80\x04K\x05.", content_type="application/x-python-serialize"),
    "compressed": malformed(zlib.compress(BODY.encode()), compression="application/x-gzip"),
    "a bad eta": malformed(eta="the day after tomorrow"),
    "a job that is no id": malformed(
        json.dumps([[], {"v": 2, "version": 1, "priority": 4, "jobs": [["x", 0]]}, {}])
    ),
    "a version that is no number": malformed(json.dumps([[], {"v": "3", "jobs": []}, {}])),
    "a version of yesterday": malformed(json.dumps([[], {"v": 1}, {}])),
}
