from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest

from models_registry.core.registry_errors import EnvironmentRefusedError
from models_registry.environments.platform_libraries import (
    OF_MODELS_OR_OTHERS,
    OF_THE_WORKER,
    refuse_other_versions,
    worker_versions,
)
from models_registry.environments.requirements import PinnedLibrary
from tests.support.documents import ROOT


def test_each_dependency_of_the_platform_is_the_worker_s_or_free() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + extras["worker"] + extras["stack"]
    assert {re.split(r"[\[>=<]", line)[0] for line in lines} == OF_THE_WORKER | OF_MODELS_OR_OTHERS
    assert not OF_THE_WORKER & OF_MODELS_OR_OTHERS


def test_a_library_that_the_worker_needs_stays_at_its_version() -> None:
    refuse_other_versions([PinnedLibrary("celery", metadata.version("celery"))])
    with pytest.raises(
        EnvironmentRefusedError, match=r"celery==4.0: the worker itself runs on celery 5\.\S+\. Leave it"
    ):
        refuse_other_versions([PinnedLibrary("celery", "4.0")])


def test_so_does_what_that_library_needs_in_turn() -> None:
    assert "vine" in worker_versions()  # Celery's
    with pytest.raises(EnvironmentRefusedError, match="vine"):
        refuse_other_versions([PinnedLibrary("vine", "1.0")])


@pytest.mark.parametrize("name", ["numpy", "torch", "transformers", "scikit-learn", "tokenizers", "pillow"])
def test_what_models_compute_with_is_theirs(name: str) -> None:
    refuse_other_versions([PinnedLibrary(name, "0.0.1")])
