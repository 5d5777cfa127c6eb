"""Rows of experiments and autoscalers, for the pages that show them."""

from __future__ import annotations

from typing import Any

from jobs.models import Autoscaler, Experiment, Measurement

REVISION = "ab" * 20


def make_experiment(**fields: Any) -> Experiment:
    """Return an open experiment with a load test of each arm, one of which measured nothing."""
    shown = {"hypothesis": "it's better", "expected": "better", "load": {"rate": 50}, "settings": {"A": 1}}
    row = Experiment.objects.create(**(shown | {"seed": 1, "revision": REVISION, "actor": "olga"} | fields))
    for arm, report in (("baseline", {}), ("candidate", {"verdict": "good", "latency_ms": {"p95": 1.5}})):
        Measurement.objects.create(
            experiment=row, arm=arm, revision=REVISION, settings=row.settings, report=report, actor="olga"
        )
    return row


def make_autoscaler(host: str = "gpu1", **fields: Any) -> Autoscaler:
    """Return the live autoscaler of a host, which lately started a second worker of `echo`."""
    shown = {"pid": 7, "model_names": ["echo"], "nodes": [f"gpu-0@{host}", f"gpu-1@{host}"]}
    numbers = {"min_workers": 0, "max_workers": 2, "target": 2, "target_before": 1}
    seen = {"serving": 1, "starting": 1, "decision": "The models need 2."}
    return Autoscaler.objects.create(**(shown | numbers | seen | {"host": host} | fields))
