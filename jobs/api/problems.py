"""Errors as application/problem+json (RFC 9457): the only place that maps an error to an HTTP status."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
import psycopg
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import ValidationError

from jobs.core import errors
from jobs.db.statement import forget_broken
from jobs.db.troubles import trouble_of
from models_registry.core import registry_errors

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
STATUS: dict[type[errors.PlatformError], HTTPStatus] = {
    registry_errors.ApprovalError: HTTPStatus.CONFLICT,
    errors.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BrokerUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CallbackRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WebhookSecretMissingError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CircuitOpenError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnusableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EncodedBodyError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.EncryptionUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.FeedbackConflictError: HTTPStatus.CONFLICT,
    errors.FeedbackError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FeedbackExpiredError: HTTPStatus.GONE,
    registry_errors.FlagConflictError: HTTPStatus.CONFLICT,
    registry_errors.FlagError: HTTPStatus.UNPROCESSABLE_ENTITY,
    registry_errors.FlagInUseError: HTTPStatus.CONFLICT,
    registry_errors.FlagNotFoundError: HTTPStatus.NOT_FOUND,
    errors.ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.IdempotencyConflictError: HTTPStatus.CONFLICT,
    errors.InputTooLargeError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.JobErasedError: HTTPStatus.GONE,
    errors.JobNotFoundError: HTTPStatus.NOT_FOUND,
    errors.KeysDifferError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.MalformedRequestError: HTTPStatus.BAD_REQUEST,
    errors.MetadataTooLargeError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.MethodNotAllowedError: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.ModelNotAllowedError: HTTPStatus.FORBIDDEN,
    errors.ModelNotFoundError: HTTPStatus.NOT_FOUND,
    errors.PartNotFoundError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PayloadErasedError: HTTPStatus.GONE,
    errors.PayloadUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.PayloadGoneError: HTTPStatus.GONE,
    errors.PayloadKeyMissingError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.PayloadUnreadableError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NoAbTestError: HTTPStatus.CONFLICT,
    errors.NotAcceptableError: HTTPStatus.NOT_ACCEPTABLE,
    registry_errors.CascadeInForceError: HTTPStatus.CONFLICT,
    registry_errors.OverBudgetError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.OverloadedError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.QuotaExceededError: HTTPStatus.TOO_MANY_REQUESTS,
    registry_errors.RegistrationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    registry_errors.RolloutConflictError: HTTPStatus.CONFLICT,
    registry_errors.RolloutNotFoundError: HTTPStatus.NOT_FOUND,
    registry_errors.RolloutPlanError: HTTPStatus.UNPROCESSABLE_ENTITY,
    registry_errors.RolloutStateError: HTTPStatus.CONFLICT,
    registry_errors.RuleError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.RequestError: HTTPStatus.BAD_REQUEST,
    errors.ResourceNotFoundError: HTTPStatus.NOT_FOUND,
    registry_errors.SignatureError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SlowBodyError: HTTPStatus.REQUEST_TIMEOUT,
    registry_errors.SourceError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TokenEndedError: HTTPStatus.CONFLICT,
    registry_errors.TrialRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyLoginsError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyCallsError: HTTPStatus.TOO_MANY_REQUESTS,
    registry_errors.TrialFailedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UploadNotFoundError: HTTPStatus.UNPROCESSABLE_ENTITY,
    registry_errors.VersionStateError: HTTPStatus.CONFLICT,
    registry_errors.VersionConflictError: HTTPStatus.CONFLICT,
    errors.WrongStateError: HTTPStatus.CONFLICT,
}
# The rest of such a body is not read, so no other request can follow on its connection.
UNREAD = (errors.BodyTooLargeError, errors.EncodedBodyError, errors.SlowBodyError)
log = logging.getLogger(__name__)


def status_of(error: errors.PlatformError) -> HTTPStatus:
    """Return the status of the nearest class of `error` that has one; 500 where none has."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus(500))


def problem(error: errors.PlatformError) -> dict[str, Any]:
    """Return the problem's members; `code` is stable, `detail` is for people."""
    status = status_of(error)
    standard = {"type": "about:blank", "title": status.phrase, "status": status.value}
    return {**error.details, **standard, "code": error.code, "detail": str(error)}


def problem_bytes(error: errors.PlatformError) -> bytes:
    """Return the body of a problem answer."""
    return msgspec.json.encode(problem(error))


def headers(error: errors.PlatformError) -> dict[str, str]:
    """Return the headers of a problem answer."""
    fields = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    if isinstance(error, errors.UnauthenticatedError):
        fields["WWW-Authenticate"] = 'Bearer realm="inference"'
    if isinstance(error, UNREAD):
        fields["Connection"] = "close"
    if error.retryable:
        fields["Retry-After"] = str(error.details.get("retry_after_s", RETRY_AFTER_S))
    return fields


def respond(error: errors.PlatformError) -> HttpResponse:
    """Return the problem answer to `error`."""
    return HttpResponse(problem_bytes(error), status=status_of(error).value, headers=headers(error))


def translate(error: Exception, request_id: str = "") -> errors.PlatformError:
    """Translate any exception into one of ours; an unexpected one is logged, and its text is not sent."""
    if isinstance(cause := error.__cause__ or error, DatabaseError):
        forget_broken(cause)
    match error:
        case errors.PlatformError():
            return error
        case ValidationError():
            return errors.MalformedRequestError("; ".join(map(_fault, error.errors)))
        case Http404():
            return errors.ResourceNotFoundError()
        case BadRequest() | SuspiciousOperation():
            return errors.MalformedRequestError(str(error))
        case psycopg.Error() | DatabaseError() if trouble_of(error):  # a pool's timeout is trouble, too
            return errors.UnavailableError("The database cannot take this request now.")
    log.error("request %s failed", request_id, exc_info=error)
    return errors.UnavailableError() if isinstance(error, DatabaseError) else errors.PlatformError()


def on_exception(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """Answer any exception of a view with a problem."""
    named = error if isinstance(error, Exception) else error()
    return respond(translate(named, request.META.get("HTTP_X_REQUEST_ID", "")))


def _fault(fault: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in fault.get("loc", ())[1:])
    return f"{where}: {fault.get('msg', 'is wrong')}"
