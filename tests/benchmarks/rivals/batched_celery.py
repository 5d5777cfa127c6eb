"""celery-batches: up to 64 tasks a call, `sleeper` on all of them, a result stored for each as its docs show.

python -m tests.benchmarks.rivals.batched_celery COUNT publishes that many tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

from celery_batches import Batches, SimpleRequest  # type: ignore[import-not-found]  # in its own environment

from tests.benchmarks.rivals.tuned import post, sleeper, tuned

# Its docs: the multiplier must be 0, or large enough that `flush_every` messages can be there.
app = tuned("batched_celery", prefetch=0)


OPTIONS = {"base": Batches, "flush_every": 64, "flush_interval": 0.05}


@app.task(name="infer", **OPTIONS)  # type: ignore[untyped-decorator]  # Celery ships no types
def infer(requests: Sequence[SimpleRequest]) -> None:
    outputs = sleeper.run([request.args[0] for request in requests])
    for request, output in zip(requests, outputs, strict=True):
        app.backend.mark_as_done(request.id, output, request=request)


if __name__ == "__main__":
    post(infer)
