"""The registry's errors, including those that models may raise."""

from __future__ import annotations

from models_registry.shared.platform_errors import PlatformError


class ModelNotFoundError(PlatformError):
    """There is no such model, version or alias."""

    code = "model_not_found"


class InvalidInputError(PlatformError):  # a model may raise it too, for an item that it cannot take
    """The input breaks the model's schema."""

    code = "invalid_input"


class RetryableError(PlatformError):  # for models to raise
    """The model cannot answer now but may later."""

    code = "retryable"
    retryable = True


class RegistrationError(PlatformError):
    """The model version cannot be registered as described."""

    code = "registration"


class VersionConflictError(RegistrationError):
    """The model version is registered already with other contents: versions do not change."""

    code = "version_conflict"


class AgreementError(RegistrationError):
    """The outputs of two versions cannot be compared in this way."""

    code = "agreement"


class SourceError(RegistrationError):
    """The artifact's source cannot be read, or holds what an artifact may not."""

    code = "source"


class SignatureError(RegistrationError):
    """The artifact has no signature of a key that the settings name."""

    code = "signature"


class TrialFailedError(RegistrationError):
    """The model does not load here, or fails on its own example."""

    code = "trial_failed"


class ArtifactMismatchError(PlatformError):
    """The artifact's hash differs from the registered one."""

    code = "artifact_mismatch"


class LoaderRefusedError(PlatformError):
    """The settings do not allow artifacts of this kind to be loaded."""

    code = "loader_refused"


class LoadFailedError(PlatformError):
    """The model version could not be loaded and warmed on this worker."""

    code = "load_failed"
    retryable = True


class StoreFailedError(LoadFailedError):
    """The storage of artifacts failed."""


class DeviceLostError(PlatformError):
    """The device of the worker does not answer any more."""

    code = "device_lost"
    retryable = True


class BadOutputError(PlatformError):
    """The model's outputs do not match its inputs in number or form."""

    code = "bad_output"


class UnstorableOutputError(BadOutputError):
    """The model's output holds a value that JSON cannot carry."""


class NotFiniteError(BadOutputError):
    """The model's output holds NaN or infinity, which JSON cannot carry."""

    code = "not_finite"


class OverBudgetError(PlatformError):
    """The model version needs more memory than this worker may use."""

    code = "over_memory_budget"


class EnvironmentRefusedError(PlatformError):
    """An environment for models cannot be made, or is not there."""

    code = "environment_refused"


class RuleError(PlatformError):
    """The rule cannot be put in force as described."""

    code = "rule"


class FlagError(PlatformError):
    """The flag cannot be put in force as described."""

    code = "flag"


class FlagNotFoundError(PlatformError):
    """There is no such flag."""

    code = "flag_not_found"


class FlagConflictError(PlatformError):
    """The flag has changed since it was read."""

    code = "flag_conflict"


class FlagInUseError(PlatformError):
    """A rule or a roll-out decides by the flag."""

    code = "flag_in_use"


class RolloutPlanError(PlatformError):
    """The plan of the roll-out is wrong."""

    code = "rollout_plan"


class EvidenceError(PlatformError):
    """The figures of a roll-out contradict each other."""

    code = "rollout_evidence"


class RolloutNotFoundError(PlatformError):
    """There is no such roll-out."""

    code = "rollout_not_found"


class RolloutConflictError(PlatformError):
    """Another roll-out of this alias is under way."""

    code = "rollout_conflict"


class CascadeInForceError(PlatformError):
    """The alias answers by a cascade, which a roll-out would end."""

    code = "cascade_in_force"


class RolloutStateError(PlatformError):
    """The roll-out is in a state that does not allow this."""

    code = "rollout_state"


class ApprovalError(PlatformError):
    """The approval does not count."""

    code = "approval"


class VersionStateError(PlatformError):
    """The version is in a state that does not allow this."""

    code = "version_state"


class TrialRefusedError(PlatformError):
    """The trial of the version cannot be run as described."""

    code = "trial_refused"


class NoStoredInputsError(TrialRefusedError):
    """No input is stored that the trial could run."""

    code = "no_stored_inputs"
