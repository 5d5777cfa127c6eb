"""A client registers a version over the API: a wrong one leaves nothing, and no answer names a folder."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings

from inference_site.backends import django_storages
from inference_site.config import Config
from jobs.models import Client as AppRow
from jobs.models import Event
from jobs.services.access.tokens import create_token
from jobs.services.submission import take_registration
from models_registry.core.registry_errors import RegistrationError
from models_registry.models import ModelVersion
from tests.support.format_specimens import onnx_net, skops_regression

VERSIONS = "/api/v1/models/iris/versions"
Post = Callable[..., Any]


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    with override_settings(STORAGES=django_storages(Config(payload_dir=str(tmp_path / "store")))):
        yield tmp_path / "store"


@pytest.fixture
def app(echo: None) -> Client:
    token = create_token(client="app", scopes=["submit", "register"])
    return Client(headers={"Authorization": f"Bearer {token}"})


def with_settings(**changed: Any) -> Any:
    return override_settings(INFERENCE=replace(settings.INFERENCE, **changed))


def uploaded(app: Client, body: bytes) -> str:
    answer = app.post("/api/v1/uploads", body, content_type="application/octet-stream")
    upload: str = answer.json()["id"]
    return upload


def sent(post: Post, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = post({"version": "1", **body}, VERSIONS)
    return answer.status_code, answer.json()


def test_an_uploaded_estimator_is_registered_once_and_guards_its_inputs(
    app: Client, post: Post, tmp_path: Path
) -> None:
    upload = uploaded(app, skops_regression(tmp_path / "m").read_bytes())
    asked = {"loader": "sklearn", "upload": upload, "example": {"data": [1, 2, 3]}, "max_batch": 8}
    status, version = sent(post, **asked)
    assert (status, version["model"], version["max_batch"]) == (201, "iris", 8), version
    assert version["source"] == f"upload:{upload}"
    assert sent(post, **asked) == (200, version)
    status, conflict = sent(post, **{**asked, "max_batch": 9})
    assert (status, conflict["code"]) == (409, "version_conflict")
    refused = post({"model": "iris:1", "input": {"data": ["no number"]}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert post({"model": "iris:1", "input": {"data": [1, 2, 3]}}).status_code == 202
    (event,) = Event.objects.filter(kind="registry")
    assert (event.actor, event.detail["act"], event.detail["model"]) == ("client:app", "register", "iris")
    assert event.token is not None


def test_what_is_no_model_is_refused_in_one_line_and_leaves_nothing(app: Client, post: Post) -> None:
    status, problem = sent(post, loader="onnx", upload=uploaded(app, b"no graph"))
    assert (status, problem["code"]) == (422, "trial_failed")
    assert "/" not in problem["detail"]
    assert "\n" not in problem["detail"]
    assert not ModelVersion.objects.filter(model__name="iris").exists()


UPLOAD = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"loader": "onnx", "upload": UPLOAD}, 422, "upload_not_found", "no upload"),
        ({"loader": "folder", "upload": UPLOAD}, 422, "registration", "an operator registers it"),
        ({"loader": "folder", "source": "hf:ours/m"}, 422, "registration", "an operator registers it"),
        ({"loader": "transformer", "upload": UPLOAD}, 422, "registration", "reads no single file"),
        ({"loader": "onnx", "source": "/etc/passwd"}, 422, "registration", "MODEL_SOURCES"),
        ({"loader": "onnx", "source": "hf:ours-not/m"}, 422, "registration", "MODEL_SOURCES"),
        ({"loader": "entry_point", "entry_point": "os:system"}, 422, "registration", "MODEL_ENTRY_POINTS"),
        ({"loader": "onnx"}, 400, "malformed", "give one of"),
        ({"loader": "onnx", "upload": UPLOAD, "source": "hf:a/b"}, 400, "malformed", "give one of"),
        (
            {"loader": "onnx", "upload": UPLOAD, "artifact": "/a"},
            400,
            "malformed",
            "unknown field `artifact`",
        ),
        ({"loader": "onnx", "upload": UPLOAD, "example": "\0"}, 400, "malformed", "NUL"),
    ],
)
def test_what_may_not_be_registered_is_refused_before_anything_is_read(
    body: dict[str, Any], status: int, code: str, words: str, post: Post
) -> None:
    with with_settings(model_sources=("hf:ours", "file:", "/etc")):
        answered, problem = sent(post, **body)
    assert (answered, problem["code"]) == (status, code)
    assert words in problem["detail"]


def test_another_client_s_upload_and_a_model_that_a_client_may_not_use_are_refused(
    app: Client, post: Post, other_app: Client
) -> None:
    upload = uploaded(other_app, b"graph")
    assert sent(post, loader="onnx", upload=upload)[1]["code"] == "upload_not_found"
    token = create_token(client="narrow", scopes=["register"])
    AppRow.objects.filter(name="narrow").update(models=["echo"])
    answer = Client(headers={"Authorization": f"Bearer {token}"}).post(
        VERSIONS, {"version": "1", "loader": "onnx", "upload": upload}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "model_not_allowed")


def test_with_signers_an_unsigned_upload_is_refused(app: Client, post: Post, tmp_path: Path) -> None:
    upload = uploaded(app, onnx_net(tmp_path / "m").read_bytes())
    with with_settings(model_signers=("key.pub",)):
        for more in ({}, {"signature": b64encode(b"{}").decode()}):
            status, problem = sent(post, loader="onnx", upload=upload, **more)
            assert (status, problem["code"]) == (422, "signature")


def test_one_version_of_a_client_is_tried_at_a_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = list[Any]()

    def while_registering(*_: Any, **__: Any) -> Any:
        answers.append(sent(post, loader="onnx", source="hf:ours/m"))
        raise RegistrationError("the first one")

    monkeypatch.setattr(take_registration, "register", while_registering)
    with with_settings(model_sources=("hf:ours/",)):
        first = sent(post, loader="onnx", source="hf:ours/m")
    assert (first[0], answers[0][0], answers[0][1]["code"]) == (422, 429, "too_many_calls")
