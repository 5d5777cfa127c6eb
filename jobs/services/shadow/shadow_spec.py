"""How the outputs of a shadow are compared with the stable version's."""

from __future__ import annotations

from jobs.core.trials.trial_specs import BacktestSpec, JobFilter
from models_registry.core.version import VersionInfo


def shadow_spec(shadow: VersionInfo, stable: VersionInfo) -> BacktestSpec:
    """Return the terms of a backtest of these versions, by the shadow's option `agreement`."""
    guarded = shadow.secrecy.guarded or stable.secrecy.guarded
    return BacktestSpec(JobFilter(), 0, shadow.platform_options.agreement, guarded=guarded)
