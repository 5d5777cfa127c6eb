"""A child that runs a model's code is given the way to this tree, and no secret."""

from __future__ import annotations

import os

import pytest

from inference_site.process_needs import SECRETS
from models_registry.shared.child_path import TREE, child_env


def test_no_secret_of_any_process_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*SECRETS, "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "VAULT_TOKEN"}:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("MODEL_DIR", "/models")
    env = child_env()
    assert "secret" not in env.values()
    assert env["MODEL_DIR"] == "/models"
    assert str(TREE) in env["PYTHONPATH"].split(os.pathsep)
