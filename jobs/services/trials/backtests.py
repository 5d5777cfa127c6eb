"""Starts and cancels backtests: a version runs stored inputs, alone or against another version."""

from __future__ import annotations

from uuid import UUID

from jobs.core.errors import ResourceNotFoundError, WrongStateError
from jobs.core.trials.trial_specs import BacktestRequest, BacktestSpec
from jobs.db.statement import Statement, execute, fetch_all
from jobs.models.rollouts.version_trial import TrialKind, TrialState
from jobs.services.access.owner import client_id
from jobs.services.trials.start_trial import start_trial, trial_view
from jobs.services.trials.stored_inputs import may_have_inputs
from models_registry import selectors
from models_registry.core.agreement.pointers import check_agreement
from models_registry.core.refs import DEFAULT_ALIAS, Ref
from models_registry.core.registry_errors import (
    AgreementError,
    ModelNotFoundError,
    NoStoredInputsError,
    TrialRefusedError,
    VersionStateError,
)
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.models import ModelVersion

MOST_OPEN = 20
# Its worker notices at its next beat and changes the row no more. True labels go as at every end.
_CANCEL = Statement(
    """
UPDATE jobs_trial SET state = %(cancelled)s, ended_at = now(), outcome = %(outcome)s, spec = spec - 'labels'
WHERE id = %(trial)s AND kind = 'backtest' AND ended_at IS NULL RETURNING id
""",
    int,
)
_OPEN = Statement("SELECT count(*) FROM jobs_trial WHERE kind = 'backtest' AND ended_at IS NULL", int)


def start_backtest(*, model: str, asked: BacktestRequest, actor: str) -> int:
    """Start a backtest and return its id.

    ModelNotFoundError for a version or model that is unknown, VersionStateError for a blocked one,
    TrialRefusedError where both versions are the same or labels would be kept in clear, AgreementError,
    ResourceNotFoundError for an unknown client, NoStoredInputsError, WrongStateError where too many wait.
    """
    candidate = _version(model, asked.version)
    stable = _stable(candidate, asked.against)
    spec = _spec(asked, candidate, stable)
    if not may_have_inputs(model, spec):
        raise NoStoredInputsError(f"No input of {model} is stored that the filter or the labels name.")
    if (waiting := fetch_all(_OPEN)[0]) >= MOST_OPEN:
        raise WrongStateError(f"{waiting} backtests have not ended: wait for their end.")
    return start_trial(kind=TrialKind.BACKTEST, candidate=candidate, stable=stable, spec=spec, actor=actor)


def cancel_backtest(trial_id: int, *, actor: str) -> None:
    """End a backtest without a report; ResourceNotFoundError, WrongStateError if it has ended otherwise."""
    names = {"trial": trial_id, "cancelled": TrialState.CANCELLED.value, "outcome": f"Cancelled by {actor}."}
    if execute(_CANCEL, names):
        return
    trial = trial_view(trial_id, kind=TrialKind.BACKTEST)
    if trial is None:
        raise ResourceNotFoundError(f"There is no backtest {trial_id}.")
    if trial.state != TrialState.CANCELLED:
        raise WrongStateError(f"Backtest {trial_id} is {trial.state}: it cannot be cancelled.")


def _spec(asked: BacktestRequest, candidate: VersionInfo, stable: VersionInfo | None) -> BacktestSpec:
    agreement = asked.agreement or candidate.platform_options.agreement
    check_agreement(agreement, candidate.output_schema)
    guarded = candidate.secrecy.guarded or (stable is not None and stable.secrecy.guarded)
    if asked.labels is not None and agreement.by != "label":
        raise AgreementError(
            "True labels are compared with a part of the output: give an `agreement` that is"
            ' `{"by": "label", "at": "/…"}`.'
        )
    if asked.labels is not None and guarded:
        raise TrialRefusedError(
            "This model's data is confidential: labels of its jobs are not kept in clear."
        )
    chosen = asked.filter
    return BacktestSpec(
        filter=chosen,
        most=asked.most,
        agreement=agreement,
        labels=None
        if asked.labels is None
        else {str(UUID(job)): label for job, label in asked.labels.items()},
        client=None if chosen.client is None else client_id(chosen.client),
        version=None if chosen.version is None else _version(candidate.model, chosen.version).id,
        guarded=guarded,
    )


def _stable(candidate: VersionInfo, against: str | None) -> VersionInfo | None:
    """Return the version to compare with; none where nothing is named and the default is the candidate."""
    if against is None:
        try:
            stable = selectors.resolve(f"{candidate.model}@{DEFAULT_ALIAS}")
        except ModelNotFoundError:
            return None
        return None if stable.id == candidate.id else stable
    stable = _version(candidate.model, against)
    if stable.id == candidate.id:
        raise TrialRefusedError(f"{candidate} cannot be compared with itself: name another version.")
    return stable


def _version(model: str, named: str) -> VersionInfo:
    """Return a version of a model by `2`, `model:2` or `model@alias`; ModelNotFoundError."""
    ref = Ref.parse(named if {":", "@"} & set(named) else f"{model}:{named}")
    if ref.name != model:
        raise ModelNotFoundError(f"{named!r} is no version of the model {model}.")
    info = selectors.resolve(str(ref))
    if ModelVersion.objects.filter(pk=info.id, state=VersionState.BLOCKED).exists():
        raise VersionStateError(f"{info} is blocked, so nothing runs it.")
    return info
