import json

import pytest
from django.db import OperationalError
from django.http import Http404

from jobs.api.problems import STATUS, problem, respond, status_of, translate
from jobs.core import errors


def request_errors() -> list[type[errors.PlatformError]]:
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.RequestError)
        and kind is not errors.RequestError
    ]


@pytest.mark.parametrize("kind", request_errors())
def test_every_error_of_a_request_has_its_status(kind: type[errors.PlatformError]) -> None:
    assert kind in STATUS
    assert 400 <= status_of(kind()) < 600


def test_codes_are_not_shared() -> None:
    codes = [kind.code for kind in STATUS]
    assert len(codes) == len(set(codes))


def test_a_problem_is_complete_and_its_details_cannot_replace_its_members() -> None:
    content = problem(errors.InvalidInputError("no", pointer="/a", status=200))
    assert content == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "code": "invalid_input",
        "detail": "no",
        "pointer": "/a",
    }


def test_retryable_problems_have_retry_after_and_unauthenticated_ones_a_challenge() -> None:
    assert respond(errors.UnavailableError()).headers["Retry-After"] == "1"
    assert respond(errors.UnauthenticatedError()).headers["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(respond(errors.JobNotFoundError()).content)["code"] == "job_not_found"


def test_an_unexpected_error_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    content = problem(translate(RuntimeError("the password is hunter2")))
    assert content["status"] == 500
    assert "hunter2" not in json.dumps(content)
    assert "hunter2" in caplog.text


def test_a_failing_database_is_an_unavailable_platform() -> None:
    assert isinstance(translate(OperationalError()), errors.UnavailableError)
    assert isinstance(translate(Http404()), errors.ResourceNotFoundError)
