"""python -m tests.benchmarks.foretold_plan MODEL VERSION WINDOW_S: the learned plan as one JSON object."""

from __future__ import annotations

import sys

import django
import msgspec

if __name__ == "__main__":
    django.setup()
    from jobs.services.simulation.learned_plan import learned_plan

    model, version, window_s = sys.argv[1:4]
    plan = learned_plan(model=model, version=version, window_s=float(window_s))
    sys.stdout.buffer.write(msgspec.json.encode(plan))
