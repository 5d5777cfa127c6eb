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
from inference_site.stack.specs import MODELS as ALL_MODELS
from inference_site.stack.specs import StackPlan, specs
from tests.smoke.addresses import PROGRAMS, RELAYS, Addresses
from tests.smoke.rendering import Rendered
from tests.smoke.zones import zone_of

MODELS = ("sleeper", "echo")
WEB_PROCESSES = 2


def programs(run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> dict[str, Program]:
    """Return each program by its name, not started."""
    plan = StackPlan(
        run_dir=run_dir, api_port=addresses.port("web"), stream_port=addresses.port("stream"),
        flower_port=addresses.port("flower"), gpus=0, workers=2, login=rendered.secret("FLOWER_BASIC_AUTH"), web_workers=WEB_PROCESSES,
        models=",".join(MODELS), metrics_ports={name: addresses.metrics(name) for name in PROGRAMS},
    )  # fmt: skip
    return {
        spec.name: Program(
            plan.with_metrics(spec), run_dir=run_dir, env=environment(run_dir, spec.name, rendered), cwd=PROJECT
        )
        for spec in _specs(plan)
    }  # fmt: skip


def environment(run_dir: Path, name: str, rendered: Rendered) -> dict[str, str]:
    """Return a program's environment: what compose renders for it, and where this run keeps its files."""
    kept = {key: value for key, value in os.environ.items() if key not in SECRETS}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "inference_site.settings",
        "PYTHONUNBUFFERED": "1",
        "PAYLOAD_DIR": str(private_dir(run_dir / "payloads")),
        "ARTIFACT_CACHE_DIR": str(private_dir(run_dir / "artifacts")),
        "HEALTH_DIR": str(private_dir(run_dir / "health")),
        "LOG_FORMAT": "json",
        "ZONE": zone_of(name),
        **rendered.env(name),
    }


def _specs(plan: StackPlan) -> Iterator[Spec]:
    for spec in specs(plan):
        if spec.name == "relay":
            yield from (replace(spec, name=name) for name in RELAYS)
        else:
            yield spec
