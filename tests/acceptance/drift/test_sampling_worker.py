"""A real worker samples the jobs of a watched version, and has written them when it stops."""

from __future__ import annotations

from typing import Any

from inference_site.stack.harness import Stack
from tests.support.app import App, register
from tests.support.own_worker import own_worker
from tests.support.wait import wait_until

MODEL, INDEX = "watcher", 12
MONITOR = {"inputs": ["/age", "/text"], "label": "/label", "confidence": "/sure", "vector": "/vector"}
FIELDS = (
    "input:bytes", "input:/age", "input:/text:length", "output:label", "output:confidence",
    "output:vector:norm", *(f"output:vector:p{at}" for at in range(8)),
)  # fmt: skip
# The sketches themselves are read with the library: here only how many values there are.
SAMPLED = """
SELECT sketch.field, sum(sketch.n)::int, sum(sketch.missing)::int, count(DISTINCT sketch.worker)::int
FROM jobs_driftsketch sketch JOIN models_registry_modelversion version ON version.id = sketch.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
WHERE model.name = %s GROUP BY sketch.field
"""


def value_of(number: int) -> dict[str, Any]:
    return {"age": number, "text": "a text", "label": "cat", "sure": 0.5, "vector": [1.0, 2.0, number]}


def test_a_worker_that_stops_has_written_its_samples_and_a_version_that_nobody_watches_has_none(
    stack: Stack, app: App
) -> None:
    register(stack, MODEL, "1", "echo", "--alias", "default", monitor=MONITOR)
    register(stack, MODEL, "2", "echo")
    with own_worker(stack, MODEL, index=INDEX):
        for version in (1, 2):
            jobs = app.bulk(f"{MODEL}:{version}", [value_of(number) for number in range(12)])
            assert app.all_finished(jobs) == {"succeeded": 12}
        wait_until(lambda: app.rows("SELECT count(*) FROM jobs_outbox") == [(0,)])
    rows = {field: rest for field, *rest in app.rows(SAMPLED, MODEL)}
    assert set(rows) == set(FIELDS)
    numbers = {number for number, _, _ in rows.values()}
    assert numbers == {rows["input:bytes"][0]}  # each sample has every field
    assert 1 <= rows["input:bytes"][0] <= 12
    assert all(rest[1:] == [0, 1] for rest in rows.values())
