"""python -m tests.benchmarks.threads RATE GOAL_S SECONDS: one JSON object; a process without servers."""

from __future__ import annotations

import json
import os
import sys

import django

from tests.support.services import use_placeholders

if __name__ == "__main__":
    use_placeholders()
    os.environ["DJANGO_SETTINGS_MODULE"] = "inference_site.settings"
    django.setup()
    from jobs.management.commands.gpu_worker import SWITCH_INTERVAL_S
    from tests.benchmarks import in_memory

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    print(json.dumps(in_memory.run(*map(float, sys.argv[1:4]))))
