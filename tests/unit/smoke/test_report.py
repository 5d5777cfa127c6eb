"""What makes a run fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import Verdict, Violation
from tests.smoke.checks import Seen
from tests.smoke.report import status, wrong
from tests.smoke.round import Outcome, Passed, Pauses
from tests.smoke.watcher import Alert

FINE = Pauses(no_end_s=2.0, no_post_s=1.0, slowest_s=3.0, waits=None)
PASSED = Passed("a relay dies", 1.0, 2.0, 3.0, ("1 feeder",))
SEEN = Seen((), (), (Alert("TargetDown", "page", "pending", 15.0),))
OUTCOME = Outcome((PASSED,), (FINE,), FINE, Verdict((), {}, ()), (), SEEN, 20_000, 200.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verdict": Verdict((Violation("lost", "accepted, but there is no row", "j"),), {}, ())}, "lost"),
        ({"complaints": ("rabbitmq-1 takes logins without TLS",)}, "without TLS"),
        ({"pauses": (replace(FINE, no_end_s=30.1),)}, "a relay dies: no job ended for 30.1 s"),
        ({"pauses": (replace(FINE, no_post_s=31.0),)}, "no call was accepted for 31.0 s"),
        ({"overall": replace(FINE, no_end_s=44.0)}, "the whole run"),
        ({"passed": (replace(PASSED, hits=()),)}, "hit nothing"),
        ({"passed": (replace(PASSED, trouble="relay-0 is not back"),)}, "relay-0 is not back"),
    ],
)
def test_each_of_these_makes_a_run_fail(changes: dict[str, Any], sentence: str) -> None:
    (line,) = wrong(replace(OUTCOME, **changes))
    assert sentence in line
    assert status(replace(OUTCOME, **changes)) == 1


def test_a_run_without_them_does_not() -> None:
    assert status(OUTCOME) == 0


def test_only_an_alert_that_fires_and_pages_counts() -> None:
    alerts = [
        Alert("TargetDown", "page", "pending", 15.0),
        Alert("WorkersDie", "ticket", "firing", 60.0),
        Alert("RelaySilent", "page", "firing", 10.0),
    ]
    assert Seen((), (), alerts).pages == {"RelaySilent"}
