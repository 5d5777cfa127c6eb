"""Roll-outs under faults: one after another, so that each fault meets one that goes on, or goes back.

The candidate fails on a tenth of the inputs, so that the judge has something to find; the stable version
answers those jobs, so every job is expected to succeed.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from inference_site.stack.harness import Stack
from tests.chaos.records import COMPARED
from tests.chaos.shadowing import start_again
from tests.support.app import manage, register
from tests.support.wait import wait_until

MODEL, ALIAS, STABLE, CANDIDATE = "echo", "rolled", "rolled-1", "rolled-2"
ASKED = f"{MODEL}@{ALIAS}"
ARMS = ("arm-1", "arm-2")
CASCADED = "cascaded"
LOADED_S = 60.0
FLAKY = "models_registry.loaders.flaky:flaky"
FAST = {"base_s": 0.0, "per_item_s": 0.0}
PLAN = {"steps": [25, 50, 100], "step_s": 1, "bake_s": 1, "quick": True, "duels": 0, "budget": 2_000}
LOOK_S, TIMEOUT_S, STARTED_S = 0.5, 10.0, 15.0
ENDED = ("done", "refused", "rolled_back", "cancelled")
TOKEN = ("--client", "roller", "--scope", "roll_out", "--scope", "read", "--no-quotas", "--never-expires")


def prepare(stack: Stack) -> str:
    """Register both versions and the alias; return a token that may roll out."""
    register(stack, MODEL, STABLE, FLAKY, "--alias", ALIAS, "--example", "{}", **FAST)
    register(stack, MODEL, CANDIDATE, FLAKY, "--example", "{}", **FAST, error_share=0.1)
    cascade(stack)
    return manage(stack, "create_token", *TOKEN).split()[-1]


def compare(stack: Stack) -> None:
    """Put an A/B test in force at an alias of its own."""
    alias = COMPARED.partition("@")[2]
    register(stack, MODEL, ARMS[0], FLAKY, "--alias", alias, "--example", "{}", **FAST)
    register(stack, MODEL, ARMS[1], FLAKY, "--example", "{}", **FAST)
    manage(stack, "load_model", f"{MODEL}:{ARMS[1]}")
    rule = {"stable": ARMS[0], "arms": [{"version": arm, "share": 0.5} for arm in ARMS]}
    manage(stack, "rules", "put", MODEL, json.dumps(rule), "--alias", alias, "--reason", "chaos")


def cascade(stack: Stack) -> None:
    """Put a cascade of two models in force, whose first version sends every second of its jobs on."""
    register(stack, MODEL, CASCADED, "echo", "--alias", CASCADED, "--example", "{}")
    escalate = {"pointer": "/n", "below": 2**31}
    steps = {"first": f"{MODEL}:{CASCADED}", "then": "sleeper", "escalate": escalate}
    document = json.dumps({"stable": CASCADED, "schema": "both", "cascade": steps})

    def put() -> bool:
        try:  # the workers load the versions first
            manage(stack, "rules", "put", MODEL, document, "--alias", CASCADED)
        except AssertionError:
            return False
        return True

    wait_until(put, limit_s=LOADED_S, every_s=1.0)


class Rolling:
    """Starts a roll-out whenever none is live, and has one rolled back when that is wished."""

    def __init__(self, api: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=f"{api}/api/v1", headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        self._stop, self._back, self._runs = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._tend, name="rolling")

    def roll_back_soon(self) -> None:
        """Have the live roll-out rolled back as soon as the API answers."""
        self._back.set()

    def wait_for_one(self) -> bool:
        """Wait a while until a roll-out gives its candidate a share; return whether one does."""
        return self._runs.wait(STARTED_S)

    @contextlib.contextmanager
    def tended(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._http.close()

    def _tend(self) -> None:
        while not self._stop.wait(LOOK_S):
            with contextlib.suppress(httpx.HTTPError):  # the API is away: it is looked again
                self._look()
        with contextlib.suppress(httpx.HTTPError):
            self._end()

    def _look(self) -> None:
        start_again(self._http)
        newest = self._newest()
        if newest is None or newest["state"] in ENDED:
            self._runs.clear()
            self._start()
            return
        exposes = newest["state"] in {"running", "baking"} and newest["share"] > 0
        (self._runs.set if exposes else self._runs.clear)()
        if self._back.is_set() and self._act(newest["id"], "roll_back").is_success:
            self._back.clear()

    def _start(self) -> None:
        # A roll-back has blocked the candidate.
        self._http.post(f"/models/{MODEL}/versions/{CANDIDATE}/unblock", json={"reason": "the next one"})
        self._http.post(
            f"/models/{MODEL}/rollouts", json={"candidate": CANDIDATE, "alias": ALIAS, "plan": PLAN}
        )

    def _newest(self) -> dict[str, Any] | None:
        answer = self._http.get("/rollouts", params={"model": MODEL}).raise_for_status().json()
        listed = answer["rollouts"] if isinstance(answer, dict) else answer
        return listed[0] if listed else None

    def _act(self, rollout: int, verb: str) -> httpx.Response:
        return self._http.post(f"/rollouts/{rollout}/{verb}", json={"reason": "chaos"})

    def _end(self) -> None:
        """Cancel what is live, so that the round can drain."""
        newest = self._newest()
        if newest is not None and newest["state"] not in ENDED:
            self._act(newest["id"], "cancel")
