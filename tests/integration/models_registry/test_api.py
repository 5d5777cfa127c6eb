from types import SimpleNamespace
from typing import Any

import pytest
from ninja.testing import TestClient

from models_registry.api.views import router
from models_registry.core.registry_errors import ModelNotFoundError
from models_registry.services import move_alias, register_builtin_models, register_version

pytestmark = pytest.mark.usefixtures("db")


class Caller:
    """Calls the API as a client that may use all models."""

    def __init__(self) -> None:
        self._client = TestClient(router)

    def get(self, path: str) -> Any:
        return self._client.get(path, auth=SimpleNamespace(models=()))


@pytest.fixture
def client() -> Caller:
    register_builtin_models()
    return Caller()


def test_all_models_are_listed_with_their_aliases(client: Caller) -> None:
    models: list[dict[str, Any]] = client.get("/models").json()
    assert [model["name"] for model in models] == ["echo", "minilm", "sleeper"]
    assert all(model["default_version"] == "1" and model["aliases"] == {"default": "1"} for model in models)


def test_one_model_is_shown(client: Caller) -> None:
    move_alias(name="echo", alias="canary", version="1")
    assert client.get("/models/echo").json()["aliases"] == {"canary": "1", "default": "1"}


def test_versions_show_schemas_and_limits_newest_first_and_no_paths(client: Caller) -> None:
    register_version(
        name="echo", version="2", loader="entry_point", artifact="models_registry.loaders.builtin:echo"
    )
    versions = client.get("/models/echo/versions").json()
    assert [(row["version"], row["aliases"]) for row in versions] == [("2", []), ("1", ["default"])]
    (minilm,) = client.get("/models/minilm/versions").json()
    assert minilm["input_schema"]["required"] == ["text"]
    assert not {"artifact", "options"} & set(minilm)


@pytest.mark.parametrize("path", ["/models/nobody", "/models/nobody/versions", "/models/A%20b"])
def test_an_unknown_model_raises_the_error_that_the_api_maps(client: Caller, path: str) -> None:
    with pytest.raises(ModelNotFoundError):
        client.get(path)
