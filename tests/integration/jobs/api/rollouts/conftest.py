"""A model with two staged versions, an app that may roll out, and a roll-out that runs.

Read before Django is up, so that rows are imported late.
"""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.fixture
def versions(echo: None) -> None:
    from tests.integration.jobs.api.conftest import SCHEMA
    from tests.support.factories import make_version

    make_version("echo", "2", input_schema=SCHEMA)


@pytest.fixture
def operator(versions: None) -> Client:
    from tests.integration.jobs.api.rollouts.asked import client_of

    return client_of("operators", "roll_out")


@pytest.fixture
def started(operator: Client) -> int:
    """Return the id of a roll-out that was just started."""
    from tests.integration.jobs.api.rollouts.asked import ROLLOUTS, sent

    status, rollout = sent(operator, ROLLOUTS, {"candidate": "2", "reason": "better", "ticket": "ML-31"})
    assert status == 201, rollout
    return int(rollout["id"])


@pytest.fixture
def running(started: int) -> int:
    """Return the id of a roll-out whose gate has passed."""
    from models_registry.models import Rollout

    Rollout.objects.filter(pk=started).update(state="running")
    return started
