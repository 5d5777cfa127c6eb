"""The services that the smoke test runs are those of compose.yaml."""

from __future__ import annotations

import yaml

from inference_site.stack.services import PROJECT
from tests.smoke_image.containers import OURS, _services


def test_a_service_runs_as_it_is_but_for_its_order_and_number() -> None:
    compose = yaml.safe_load((PROJECT / "compose/compose.yaml").read_text())
    run = _services(compose)["services"]
    left_out = {"depends_on", "build", "profiles", "restart", "deploy", "ulimits"}
    for name in OURS:
        whole = compose["services"][name]
        assert run[name].pop("ulimits").items() >= whole["ulimits"].items()
        assert run[name] == {key: value for key, value in whole.items() if key not in left_out}
        assert run[name]["read_only"]
        assert run[name]["user"] == "10001:10001"
