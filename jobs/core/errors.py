"""The errors of a job's life: the docstring is the message that a client reads, `code` is stable."""

from __future__ import annotations

from models_registry.core.registry_errors import InvalidInputError, ModelNotFoundError
from models_registry.shared.platform_errors import PlatformError

__all__ = ["InvalidInputError", "ModelNotFoundError", "PlatformError"]


class MalformedEnvelopeError(PlatformError):
    """A message does not point at a job."""

    code = "malformed_message"


class MessageMismatchError(PlatformError):
    """A message says of a job what its row does not: it was not written by the relay."""

    code = "message_mismatch"


class TopologyMismatchError(PlatformError):
    """A queue or exchange exists in the broker with other arguments than this project declares."""

    code = "topology_mismatch"


class NoSlowLaneError(PlatformError):
    """A worker for the slow lane was started with a model that has no slow lane."""

    code = "no_slow_lane"


class DatabaseUnusableError(PlatformError):
    """The database cannot be used as it is configured."""

    code = "database_unusable"


class DatabaseTlsError(DatabaseUnusableError):
    """The database's certificate is not trusted."""

    code = "database_tls"


class LibraryChangedError(PlatformError):
    """A library that is patched here differs from the version whose source was read."""

    code = "library_changed"


class BrokerUnavailableError(PlatformError):
    """The broker cannot be reached or does not confirm."""

    code = "broker_unavailable"
    retryable = True


class BrokerTlsError(BrokerUnavailableError):
    """The broker's certificate is not trusted, or it does not trust ours."""

    code = "broker_tls"
    retryable = False


class RequestError(PlatformError):
    """The request cannot be served as it stands."""

    code = "bad_request"


class MalformedRequestError(RequestError):
    """The request's body is malformed."""

    code = "malformed"


class UnauthenticatedError(RequestError):
    """The request needs a valid bearer token."""

    code = "unauthenticated"


class ForbiddenError(RequestError):
    """The token does not allow this call."""

    code = "forbidden"


class ModelNotAllowedError(RequestError):
    """This client may not use that model: an operator can allow it."""

    code = "model_not_allowed"


class TooManyLoginsError(RequestError):
    """Too many passwords were sent: wait before the next."""

    code = "too_many_logins"
    retryable = True


class TokenEndedError(RequestError):
    """There is no such token, or it has expired or was revoked."""

    code = "token_ended"


class JobNotFoundError(RequestError):
    """There is no such job."""

    code = "job_not_found"


class JobErasedError(RequestError):
    """The job was erased: nothing of its content is kept."""

    code = "job_erased"


class KeysDifferError(RequestError):
    """The Idempotency-Key header and the body's idempotency_key differ: one of them is enough."""

    code = "keys_differ"


class IdempotencyConflictError(RequestError):
    """The Idempotency-Key was used before with another body."""

    code = "idempotency_conflict"


class WrongStateError(RequestError):
    """The job is in a state that this call does not apply to."""

    code = "wrong_state"


class PayloadGoneError(RequestError):
    """The job's input has been deleted: its model's retention time is over."""

    code = "payload_gone"


class BodyTooLargeError(RequestError):
    """The request's body is larger than this call takes."""

    code = "body_too_large"


class UnavailableError(RequestError):
    """The platform cannot take this request now."""

    code = "unavailable"
    retryable = True


class EncryptionUnavailableError(RequestError):
    """The model requires encrypted payloads, but no encryption key is configured."""

    code = "encryption_unavailable"
    retryable = True


class PayloadUnreadableError(PlatformError):
    """The stored payload cannot be read: it was changed, or moved from another job."""

    code = "payload_unreadable"


class PayloadKeyMissingError(PayloadUnreadableError):
    """The stored payload is encrypted with a key that this process does not have."""

    code = "payload_key_missing"
    retryable = True


class PayloadPlainError(PayloadUnreadableError):
    """The stored payload is not encrypted, but its model version encrypts: somebody put it there."""

    code = "payload_plain"


class PayloadErasedError(PayloadUnreadableError):
    """The job's key was destroyed, so nobody can read its payloads again."""

    code = "payload_erased"


class PayloadLostError(PayloadUnreadableError):
    """A stored input or output is no longer in the storage."""

    code = "payload_lost"


class PayloadCorruptError(PayloadUnreadableError):
    """A stored input or output was changed after it was stored."""

    code = "payload_corrupt"


class PayloadUnavailableError(PayloadUnreadableError):
    """The storage of large inputs and outputs does not respond."""

    code = "payload_unavailable"
    retryable = True


class CircuitOpenError(RequestError):
    """The model version, or your jobs at it, fail too often: jobs are refused for a while."""

    code = "circuit_open"
    retryable = True


class OverloadedError(RequestError):
    """Too many jobs wait for this model to answer in time: send the job again later."""

    code = "overloaded"
    retryable = True


class QuotaExceededError(RequestError):
    """The client has used up its quota for now."""

    code = "quota_exceeded"
    retryable = True


class TooManyCallsError(RequestError):
    """You have too many calls open at once: send this one again when others are answered."""

    code = "too_many_calls"
    retryable = True


class WebhookSecretMissingError(RequestError):
    """Webhooks are signed: an operator creates your first secret with `manage.py webhook_secret CLIENT`."""

    code = "webhook_secret_missing"


class CallbackRefusedError(RequestError):
    """The platform does not call this callback_url."""

    code = "callback_refused"


class MetadataTooLargeError(RequestError):
    """The metadata is larger than a job may carry."""

    code = "metadata_too_large"


class InputTooLargeError(RequestError):
    """The input is too large once its files stand in their places."""

    code = "input_too_large"


class BatchFullError(PlatformError):
    """The inputs of the batch take all the memory that a batch may; the job was left for another."""

    code = "batch_full"
    retryable = True


class UploadNotFoundError(RequestError):
    """The input refers to an upload that does not exist or has expired."""

    code = "upload_not_found"


class PartNotFoundError(RequestError):
    """The input refers to a file part that the call does not have."""

    code = "part_not_found"


class EncodedBodyError(RequestError):
    """The body is compressed: this platform takes uncompressed bodies only."""

    code = "encoded_body"


class SlowBodyError(RequestError):
    """The body arrives too slowly."""

    code = "body_too_slow"


class ResourceNotFoundError(RequestError):
    """There is nothing at this address."""

    code = "not_found"


class NotAcceptableError(RequestError):
    """The output has no such form: ask for `application/json`, or leave `Accept` out."""

    code = "not_acceptable"


class MethodNotAllowedError(RequestError):
    """This address does not take that method."""

    code = "method_not_allowed"


class NoHistoryError(PlatformError):
    """Nothing was recorded from which this could be learned."""

    code = "no_history"


class DirtyTreeError(PlatformError):
    """The working tree is not exactly a commit, so what is measured could not be found again."""

    code = "dirty_tree"


class UnknownExperimentError(PlatformError):
    """There is no such experiment."""

    code = "experiment_not_found"


class ExperimentStateError(PlatformError):
    """The experiment is not in a state that allows this."""

    code = "experiment_state"


class FeedbackError(RequestError):
    """The feedback's value cannot be stored."""

    code = "feedback"


class FeedbackConflictError(RequestError):
    """The job has another value under this name: feedback does not change."""

    code = "feedback_conflict"


class FeedbackExpiredError(RequestError):
    """The job ended more than 30 days ago: feedback comes too late."""

    code = "feedback_expired"


class NoAbTestError(RequestError):
    """The rule has no arms, so there is nothing to report."""

    code = "no_ab_test"
