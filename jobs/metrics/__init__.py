"""The catalogue of all metrics: name, type, labels, unit and meaning; `manage.py metrics` prints it.

No label holds an id, a fingerprint or free text. Names of models and versions are those of the registry;
clients are the busiest ones and `other`. `jobs/exporting` serves the pages.
"""

from __future__ import annotations

from jobs.metrics.call_metrics import *  # noqa: F403  # one name for all of the catalogue: `metrics.X`
from jobs.metrics.device_metrics import *  # noqa: F403
from jobs.metrics.drift_metrics import *  # noqa: F403
from jobs.metrics.job_metrics import *  # noqa: F403
from jobs.metrics.relay_metrics import *  # noqa: F403
from jobs.metrics.rollout_metrics import *  # noqa: F403
from jobs.metrics.scaling_metrics import *  # noqa: F403
from jobs.metrics.survey_metrics import *  # noqa: F403
from jobs.metrics.upkeep_metrics import *  # noqa: F403
from jobs.metrics.worker_metrics import *  # noqa: F403
