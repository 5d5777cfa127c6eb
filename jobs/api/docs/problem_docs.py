"""The problems that each call of the API may return, and their description."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from jobs.api.problems import CONTENT_TYPE, problem, status_of
from jobs.core import errors
from jobs.core.errors import PlatformError
from models_registry.core import registry_errors
from models_registry.core.version_states import VersionVerb

Kinds = tuple[type[PlatformError], ...]
# A malformed request, an invalid token, a wrong method, an error of ours, a database that is down.
ANYWHERE: Kinds = (
    errors.MalformedRequestError,
    errors.UnauthenticatedError,
    errors.MethodNotAllowedError,
    errors.PlatformError,
    errors.UnavailableError,
)
_WITH_BODY: Kinds = (
    errors.BodyTooLargeError,
    errors.EncodedBodyError,
    errors.SlowBodyError,
    errors.TooManyCallsError,
)
_OF_ANY_JOB: Kinds = (errors.JobNotFoundError, errors.ResourceNotFoundError)
_OF_A_JOB: Kinds = (*_OF_ANY_JOB, errors.JobErasedError)
_OF_A_MODEL: Kinds = (errors.ModelNotFoundError, errors.ResourceNotFoundError)
# A bulk call returns these in its answer, one for each refused item.
_OF_AN_ITEM: Kinds = (
    errors.ModelNotFoundError,
    errors.ModelNotAllowedError,
    errors.IdempotencyConflictError,
    errors.InvalidInputError,
    errors.InputTooLargeError,
    errors.MetadataTooLargeError,
    errors.CallbackRefusedError,
    errors.WebhookSecretMissingError,
    errors.UploadNotFoundError,
    errors.PartNotFoundError,
    errors.OverloadedError,
    errors.QuotaExceededError,
    errors.CircuitOpenError,
    errors.EncryptionUnavailableError,
    errors.PayloadUnavailableError,
)
_UNREADABLE: Kinds = (
    errors.PayloadUnreadableError,
    errors.PayloadLostError,
    errors.PayloadCorruptError,
    errors.PayloadPlainError,
    errors.PayloadErasedError,
    errors.PayloadKeyMissingError,
)
_UNREGISTERED: Kinds = (
    registry_errors.RegistrationError,
    registry_errors.SourceError,
    registry_errors.SignatureError,
    registry_errors.TrialFailedError,
    registry_errors.VersionConflictError,
)
_OF_AN_ACT: Kinds = (
    *_WITH_BODY, errors.IdempotencyConflictError, errors.WrongStateError, errors.ModelNotFoundError,
    errors.ResourceNotFoundError,
)  # fmt: skip
# What a call on a model may refuse where it decides what answers.
_OF_A_RULE: Kinds = (
    *_WITH_BODY, errors.ModelNotFoundError, errors.ModelNotAllowedError, errors.ResourceNotFoundError,
    registry_errors.RuleError, registry_errors.VersionStateError,
)  # fmt: skip
_OF_AN_AB_TEST: Kinds = (*_OF_A_MODEL, errors.ModelNotAllowedError, errors.NoAbTestError)
_OF_A_ROLLOUT: Kinds = (registry_errors.RolloutNotFoundError, errors.ResourceNotFoundError)
_OF_A_ROLLOUT_ACT: Kinds = (
    *_OF_A_ROLLOUT, *_WITH_BODY, registry_errors.RolloutStateError, registry_errors.ApprovalError,
)  # fmt: skip
_OF_A_FLAG: Kinds = (
    errors.ModelNotAllowedError, errors.ResourceNotFoundError, registry_errors.FlagError,
)  # fmt: skip
_SHADOW = "models/{name}/rules/{number}/shadow"
_OF_A_SHADOW: Kinds = (errors.ResourceNotFoundError, errors.ModelNotAllowedError)
REFUSALS: Mapping[str, Kinds] = {
    "get jobs": (errors.ResourceNotFoundError,),
    "post jobs": (*_OF_AN_ITEM, *_WITH_BODY, errors.KeysDifferError),
    "post jobs/bulk": (*_WITH_BODY, errors.IdempotencyConflictError, errors.PayloadUnavailableError),
    "post jobs/stream": _WITH_BODY,
    "get jobs/{job_id}": (
        *_OF_A_JOB, errors.PayloadUnavailableError, errors.TooManyCallsError, errors.NotAcceptableError,
    ),
    "get jobs/{job_id}/events": (*_OF_A_JOB, errors.PayloadUnavailableError, errors.TooManyCallsError),
    "get jobs/{job_id}/lineage": (*_OF_A_JOB, *_UNREADABLE, errors.PayloadUnavailableError),
    "get jobs/{job_id}/timeline": _OF_A_JOB,
    "post jobs/{job_id}/cancel": (*_OF_A_JOB, *_WITH_BODY, errors.WrongStateError),
    "post jobs/{job_id}/replay": (
        *_OF_A_JOB, *_WITH_BODY, errors.WrongStateError, errors.PayloadGoneError, errors.ModelNotAllowedError,
        errors.QuotaExceededError, registry_errors.VersionStateError,
    ),
    "post jobs/{job_id}/feedback": (
        *_OF_A_JOB, *_WITH_BODY, errors.FeedbackError, errors.FeedbackConflictError,
        errors.FeedbackExpiredError, errors.WrongStateError,
    ),
    "post feedback": _WITH_BODY,
    "delete jobs/{job_id}": (*_OF_ANY_JOB, *_WITH_BODY),
    "post erasures": _WITH_BODY,
    "get erasures": (),
    "post bulk-acts/cancel": _OF_AN_ACT,
    "post bulk-acts/replay": (*_OF_AN_ACT, errors.ModelNotAllowedError),
    "post bulk-acts/discard": _OF_AN_ACT,
    "get bulk-acts": (),
    "get bulk-acts/{act_id}": (errors.ResourceNotFoundError,),
    "post bulk-acts/{act_id}/stop": (*_WITH_BODY, errors.ResourceNotFoundError, errors.WrongStateError),
    "post uploads": (*_WITH_BODY, errors.QuotaExceededError, errors.PayloadUnavailableError),
    "post token/rotate": (*_WITH_BODY, errors.TokenEndedError),
    "get workers": (),
    "get models": (),
    "get models/{name}": _OF_A_MODEL,
    "get models/{name}/versions": _OF_A_MODEL,
    **dict.fromkeys(
        (f"post models/{{name}}/versions/{{version}}/{verb}" for verb in VersionVerb),
        (*_WITH_BODY, *_OF_A_MODEL, errors.ModelNotAllowedError, registry_errors.VersionStateError),
    ),
    "get models/{name}/rules": (*_OF_A_MODEL, errors.ModelNotAllowedError),
    "post models/{name}/rules": (
        *_OF_A_RULE, registry_errors.RolloutConflictError, registry_errors.ApprovalError,
    ),
    "post models/{name}/rules/preview": _OF_A_RULE,
    "get models/{name}/rules/{number}/cascade": (
        errors.ModelNotAllowedError, errors.ResourceNotFoundError,
    ),
    "post models/{name}/rules/{number}/cascade": (
        *_WITH_BODY, errors.ModelNotAllowedError, errors.ResourceNotFoundError,
    ),
    "get models/{name}/drift": (*_OF_A_MODEL, errors.ModelNotAllowedError, errors.WrongStateError),
    "post models/{name}/drift/reference": (
        *_WITH_BODY, *_OF_A_MODEL, errors.ModelNotAllowedError, errors.WrongStateError,
    ),
    "get models/{name}/rules/{number}/report": _OF_AN_AB_TEST,
    "get models/{name}/rules/{number}/report.html": _OF_AN_AB_TEST,
    **dict.fromkeys((f"get {_SHADOW}", f"get {_SHADOW}/report.html"), _OF_A_SHADOW),
    f"get {_SHADOW}/times.png": (*_OF_A_SHADOW, errors.WrongStateError),
    **dict.fromkeys(
        (f"post {_SHADOW}/stop", f"post {_SHADOW}/start"),
        (*_OF_A_SHADOW, *_WITH_BODY, errors.WrongStateError),
    ),
    "post models/{name}/rollouts": (
        *_OF_A_RULE, registry_errors.RolloutConflictError, registry_errors.CascadeInForceError,
        registry_errors.RolloutPlanError, registry_errors.OverBudgetError, registry_errors.AgreementError,
    ),
    "get flags": (errors.ModelNotAllowedError,),
    "get flags/{flag}": (*_OF_A_FLAG, registry_errors.FlagNotFoundError),
    "put flags/{flag}": (
        *_OF_A_FLAG, *_WITH_BODY, registry_errors.FlagConflictError, registry_errors.ApprovalError,
    ),
    "delete flags/{flag}": (
        *_OF_A_FLAG, registry_errors.FlagNotFoundError, registry_errors.FlagConflictError,
        registry_errors.FlagInUseError,
    ),
    "post flags/{flag}/preview": (*_OF_A_FLAG, *_WITH_BODY),
    "get rollouts": (errors.ModelNotAllowedError,),
    "get rollouts/{rollout_id}": _OF_A_ROLLOUT,
    "get rollouts/{rollout_id}/record": _OF_A_ROLLOUT,
    "get rollouts/{rollout_id}/events": (*_OF_A_ROLLOUT, errors.TooManyCallsError),
    **dict.fromkeys(
        (f"post rollouts/{{rollout_id}}/{verb}" for verb in ("pause", "resume", "promote", "approve")),
        _OF_A_ROLLOUT_ACT,
    ),
    "post rollouts/{rollout_id}/roll_back": (*_OF_A_ROLLOUT, *_WITH_BODY, registry_errors.RolloutStateError),
    "post rollouts/{rollout_id}/cancel": (*_OF_A_ROLLOUT, *_WITH_BODY, registry_errors.RolloutStateError),
    "post rollouts/{rollout_id}/budget": (*_OF_A_ROLLOUT_ACT, registry_errors.RolloutPlanError),
    "post models/{name}/backtests": (
        *_WITH_BODY, *_OF_A_MODEL, errors.ModelNotAllowedError, errors.WrongStateError,
        registry_errors.AgreementError, registry_errors.NoStoredInputsError,
        registry_errors.TrialRefusedError, registry_errors.VersionStateError,
    ),
    "get backtests/{backtest_id}": (errors.ResourceNotFoundError,),
    "post backtests/{backtest_id}/cancel": (errors.ResourceNotFoundError, errors.WrongStateError),
    "get backtests/{backtest_id}/report.html": (errors.ResourceNotFoundError, errors.WrongStateError),
    "post models/{name}/versions": (
        *_WITH_BODY, *_UNREADABLE, *_UNREGISTERED, errors.ModelNotAllowedError, errors.UploadNotFoundError,
        errors.PayloadUnavailableError, errors.ResourceNotFoundError,
    ),
}  # fmt: skip
# Examples that show more than the error's class: a detail, or members of their own.
_DETAILED: tuple[PlatformError, ...] = (
    errors.MalformedRequestError("Expected `int` <= 9 - at `$.priority`"),
    errors.ForbiddenError("The token lacks the scope `submit`.", scope="submit"),
    errors.ModelNotFoundError("There is no model 'minilm:9'."),
    errors.InvalidInputError('The input breaks the model\'s schema: "text" is a required property.'),
    errors.QuotaExceededError(
        "This client may send 50 jobs a second. Send the job again in 2 s.", quota="requests", retry_after_s=2
    ),
    errors.OverloadedError(retry_after_s=5),
    registry_errors.AgreementError("The output schema has nothing at '/digits', which is to be compared."),
    registry_errors.NoStoredInputsError("No input of minilm is stored that the filter or the labels name."),
    registry_errors.TrialRefusedError("minilm:2 cannot be compared with itself: name another version."),
    errors.FeedbackError("The value is not finite."),
    errors.CircuitOpenError(retry_after_s=30, circuit="version"),
    registry_errors.FlagError("The field share is 1.5; it must be a number from 0 to 1."),
    registry_errors.FlagNotFoundError("There is no flag 'new-token'."),
    registry_errors.FlagConflictError(
        "You read change 1 of the flag new-tokens, and its change 2 is in force: read it again.", number=2
    ),
    registry_errors.FlagInUseError(
        "The flag new-tokens decides for minilm@default: put a rule in force that does not name it first, or"
        " let the roll-out end."
    ),
    registry_errors.RolloutConflictError(
        "Roll-out 3 of minilm@default is running: cancel it or let it end first.", rollout=3
    ),
    registry_errors.CascadeInForceError(
        "minilm@default answers by the cascade of rule 5, which a roll-out would end: put a rule without one"
        " in force first."
    ),
    registry_errors.RolloutNotFoundError("There is no roll-out 9."),
    registry_errors.RolloutPlanError("The field steps must grow: 5 is not above 25."),
    registry_errors.RolloutStateError("Roll-out 3 is done: it cannot pause."),
    registry_errors.RuleError("The candidate is the stable version itself."),
    registry_errors.ApprovalError("client:operators started roll-out 3: another person has to approve it."),
    registry_errors.VersionStateError("minilm:2 is blocked: only a staged version can be routed to."),
    registry_errors.OverBudgetError(
        "They do not fit together: minilm:1 9,000,000 bytes and minilm:2 8,000,000 bytes are 17,000,000 of"
        " 16,000,000 bytes that a worker may use."
    ),
)
_EXAMPLES = {type(error): error for error in _DETAILED}


def refusals(call: str, *, scoped: bool) -> dict[int, Kinds]:
    """Return by HTTP status the errors that a call, such as `get jobs`, may return."""
    by_status = defaultdict[int, list[type[PlatformError]]](list)
    kinds = {*ANYWHERE, *REFUSALS[call], *((errors.ForbiddenError,) if scoped else ())}
    for kind in sorted(kinds, key=lambda kind: kind.code):
        by_status[status_of(example(kind)).value].append(kind)
    return {status: tuple(by_status[status]) for status in sorted(by_status)}


def example(kind: type[PlatformError]) -> PlatformError:
    """Return an error of a kind, as a client may get it."""
    return _EXAMPLES.get(kind) or kind()


def answer(status: int, kinds: Kinds, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a call's problems with one status."""
    codes = ", ".join(f"`{kind.code}`" for kind in kinds)
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {kind.code: {"value": problem(example(kind))} for kind in kinds},
    }
    response = {"description": f"{HTTPStatus(status).phrase}: {codes}", "content": {CONTENT_TYPE: content}}
    return response | ({"headers": headers} if headers else {})
