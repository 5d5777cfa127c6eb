"""The shadow of a rule under faults: copies of jobs run in the gaps, and fail on a tenth of the inputs.

No job may notice: each is expected to succeed, and none may be of the shadow's version.
"""

from __future__ import annotations

import json

import httpx

from inference_site.stack.harness import Stack
from tests.support.app import manage, register

MODEL, ALIAS, STABLE, SHADOW = "echo", "shadowed", "shadowed-1", "shadowed-2"
ASKED = f"{MODEL}@{ALIAS}"
FLAKY = "models_registry.loaders.flaky:flaky"
FAST = {"base_s": 0.0, "per_item_s": 0.0}
RULE = {"stable": STABLE, "shadow": {"version": SHADOW, "time_share": 1.0}}


def prepare_shadow(stack: Stack) -> None:
    """Register both versions and the alias, and put the rule in force."""
    register(stack, MODEL, STABLE, FLAKY, "--alias", ALIAS, "--example", "{}", **FAST)
    register(stack, MODEL, SHADOW, FLAKY, "--example", "{}", **FAST, error_share=0.1)
    manage(stack, "load_model", f"{MODEL}:{SHADOW}")
    manage(stack, "rules", "put", MODEL, json.dumps(RULE), "--alias", ALIAS, "--reason", "chaos")


def start_again(http: httpx.Client) -> None:
    """Start the shadow again where a worker's death has stopped it."""
    http.post(f"/models/{MODEL}/rules/1/shadow/start", params={"alias": ALIAS}, json={"reason": "chaos"})
