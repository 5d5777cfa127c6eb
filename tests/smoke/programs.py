"""The programs of the platform as production runs them: two relays, two workers, and one of each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from inference_site.process_needs import SECRETS
from inference_site.stack.private_files import private_dir
from inference_site.stack.program import Program, Spec
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import FLOWER, WEB, StackPlan, specs
from tests.smoke.addresses import PROGRAMS, REGISTRAR, RELAYS, Addresses, service_of
from tests.smoke.rendering import Rendered
from tests.smoke.zones import zone_of

MODELS = ("sleeper", "echo")
WEB_PROCESSES, RELAY = 2, "relay"
SETTINGS = "inference_site.settings"
PLACES = ("payloads", "artifacts", "trials", "tmp", "run")  # folders of the containers


def programs(run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> dict[str, Program]:
    """Return each program by its name, not started."""
    plan = StackPlan(
        run_dir=run_dir, api_port=addresses.port("web"), stream_port=addresses.port("stream"),
        flower_port=addresses.port("flower"), gpus=0, workers=2, login="", web_workers=WEB_PROCESSES,
        models=",".join(MODELS), metrics_ports={name: addresses.metrics(name) for name in PROGRAMS},
    )  # fmt: skip
    found = dict[str, Program]()
    for spec in (*_specs(plan), _registrar(replace(plan, api_port=addresses.port(REGISTRAR), web_workers=1))):
        env = environment(run_dir, spec.name, rendered)
        found[spec.name] = Program(plan.with_metrics(spec), run_dir=run_dir, env=env, cwd=PROJECT)
    return found


def environment(run_dir: Path, name: str, rendered: Rendered) -> dict[str, str]:
    """Return a program's environment: what compose.yaml gives its service, and the folders of this run."""
    folders = {f"/{place}": private_dir(run_dir / place) for place in PLACES}
    kept = {key: value for key, value in os.environ.items() if key not in SECRETS}
    own = {"DJANGO_SETTINGS_MODULE": SETTINGS, "PYTHONUNBUFFERED": "1", "ZONE": zone_of(name)}
    return {**kept, **rendered.env(service_of(name), folders), **own}


def _registrar(plan: StackPlan) -> Spec:
    """Return the program of `web` under its own name."""
    return next(replace(spec, name=REGISTRAR) for spec in specs(plan) if spec.name == WEB)


def _specs(plan: StackPlan) -> Iterator[Spec]:
    for spec in specs(plan):
        # Flower's password comes in a file here.
        plain = replace(spec, env={}) if spec.name == FLOWER else spec
        if spec.name == RELAY:
            yield from (replace(plain, name=name) for name in RELAYS)
        else:
            yield plain
