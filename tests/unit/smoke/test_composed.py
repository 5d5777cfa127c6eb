"""The environment that the smoke test gives each program is compose.yaml's, without values of secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_site.process_needs import NEEDS, SECRETS, Process
from tests.smoke.addresses import PROGRAMS, service_of
from tests.smoke.composed import compose_file, environment
from tests.smoke.programs import PLACES

FOLDERS = {f"/{name}": Path("/here") / name for name in ("rendered", *PLACES)}
VALUES = {"API_URL": "https://api", "STREAM_URL": "https://stream", "ALLOWED_HOSTS": "api"}
SERVICES = sorted({service_of(program) for program in PROGRAMS})


@pytest.mark.parametrize("service", SERVICES)
def test_each_path_of_the_container_becomes_one_of_this_machine(service: str) -> None:
    made = environment(service, values=VALUES, folders=FOLDERS)
    assert not [
        name for name, value in made.items() if value.startswith("/") and not value.startswith("/here")
    ]
    assert not [name for name, value in made.items() if "${" in value]


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_has_a_file_for_each_secret_that_it_must_have_and_no_secret_itself(service: str) -> None:
    made = environment(service, values=VALUES, folders=FOLDERS)
    files = {name.removesuffix("_FILE") for name in made if name.endswith("_FILE")}
    for entry in NEEDS[Process(service)].must:
        assert files & set(entry.split(" or ")), entry
    assert not SECRETS & {name for name in made if not name.endswith("_FILE")}


def test_a_value_of_env_goes_before_the_default_and_a_missing_one_is_an_error() -> None:
    assert environment("web", values={**VALUES, "LOG_LEVEL": "warning"}, folders={})["LOG_LEVEL"] == "warning"
    assert environment("web", values=VALUES, folders={})["LOG_LEVEL"] == "info"
    with pytest.raises(KeyError, match="API_URL"):
        environment("web", values={}, folders={})


def test_a_secret_s_path_is_that_of_its_file() -> None:
    file = compose_file()["secrets"]["broker-relay"]["file"].removeprefix("./rendered/")
    made = environment("relay", values=VALUES, folders=FOLDERS)
    assert made["BROKER_URL_FILE"] == f"/here/rendered/{file}"
