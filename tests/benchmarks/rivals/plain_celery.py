"""Plain Celery: one task a job, `sleeper` on a single item, results in Postgres as Celery ships it.

python -m tests.benchmarks.rivals.plain_celery COUNT publishes that many tasks.
"""

from __future__ import annotations

from typing import Any

from tests.benchmarks.rivals.tuned import post, sleeper, tuned

# Celery's optimizing guide: for many short tasks a large multiplier; 128 is its larger example.
app = tuned("plain_celery", prefetch=128)


@app.task(name="infer")  # type: ignore[untyped-decorator]  # Celery ships no types
def infer(value: Any) -> Any:
    return sleeper.run([value])[0]


if __name__ == "__main__":
    post(infer)
