"""The examples for Kubernetes and KEDA against the code that they name: commands, secrets, health."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference_site.config import setting_rows
from inference_site.process_needs import NEEDS, process_of
from jobs.management.health.health_checks import check_of
from tests.support.compose_files import filled, services

COMPOSE = Path(__file__).parents[3] / "compose"


def objects(folder: str) -> list[dict[str, Any]]:
    files = sorted((COMPOSE / folder).glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text())]


DEPLOYMENTS = {one["metadata"]["name"]: one for one in objects("kubernetes") if one["kind"] == "Deployment"}


def container(name: str) -> dict[str, Any]:
    (only,) = DEPLOYMENTS[name]["spec"]["template"]["spec"]["containers"]
    box: dict[str, Any] = only
    return box


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_process_has_the_secrets_that_it_must_have_as_files_and_no_others(name: str) -> None:
    box = container(name)
    words = box["command"][1:] if box["command"][0] == "python" else box["command"]
    needs = NEEDS[process_of(words)]
    given = {entry["name"].removesuffix("_FILE") for entry in box["env"] if entry["name"].endswith("_FILE")}
    assert given <= needs.names
    assert needs.missing(dict.fromkeys(given, "x")) == []


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_process_that_loads_models_has_the_image_with_frameworks(name: str) -> None:
    service = services()["gpu-worker" if "gpu_worker" in container(name)["command"] else "web"]
    assert container(name)["image"].split()[0] == filled(service["image"], {})


def test_no_command_of_the_examples_has_a_secret_among_its_words() -> None:
    for file in sorted(COMPOSE.glob("ke*/*")) + sorted(COMPOSE.glob("kubernetes/*")):
        assert not re.search(r"-v \w*password\w*=|--from-literal|psql \"?\$", file.read_text()), file


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_run_as_no_root_on_a_filesystem_that_is_read_only(name: str) -> None:
    pod, box = DEPLOYMENTS[name]["spec"]["template"]["spec"], container(name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert box["securityContext"]["readOnlyRootFilesystem"] is True
    assert box["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert box["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", ["relay", "gpu-worker-minilm"])
def test_health_is_that_of_a_process_which_there_is(name: str) -> None:
    for probe in ("startupProbe", "livenessProbe"):
        words = container(name)[probe]["exec"]["command"]
        assert words[:3] == ["python", "manage.py", "health"]
        assert callable(check_of(words[3]))


def test_settings_are_settings() -> None:
    (config,) = [one for one in objects("kubernetes") if one["kind"] == "ConfigMap"]
    assert config["data"].keys() <= {row.name for row in setting_rows()}


def test_keda_scales_the_workers_of_the_example() -> None:
    scaled = [one for one in objects("keda") if one["kind"] == "ScaledObject"]
    assert len(scaled) == 2
    for one in scaled:
        target = DEPLOYMENTS[one["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"], "an apply would undo what KEDA decided"
        assert one["spec"]["fallback"]["behavior"] == "currentReplicas"
        assert one["spec"]["minReplicaCount"] == 0
