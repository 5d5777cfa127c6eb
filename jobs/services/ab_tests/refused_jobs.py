"""For how long the circuits of an A/B test's arms had its jobs refused: such jobs have no row anywhere.

Where an arm's circuit is open the stable version answers, so a job is refused only while that one's is open,
too. For the arm that is the stable version both are one circuit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from jobs.core.ab_tests.ab_counts import RefusedJobs
from jobs.core.circuits.open_times import CircuitChange, common, open_spans
from jobs.core.circuits.tally import EVERY_CLIENT
from jobs.core.timeline.time_spans import TimeSpan
from jobs.services.circuits.circuit_changes import read_changes


def refused_jobs(
    *, stable: int, versions: Mapping[int, str], since: datetime, until: datetime
) -> dict[str, RefusedJobs]:
    """Return for how long, and for how many clients, the arms' jobs were refused, by the names of versions.

    `stable` and the keys of `versions`, the arms, are row ids. Arms of which no job was refused are left out.
    """
    window = TimeSpan(since, until)
    ours = _by_client(stable, until)
    always = open_spans(ours.pop(EVERY_CLIENT, []), window)
    found = dict[str, RefusedJobs]()
    for version, name in versions.items():
        if version == stable:
            clients = sum(bool(open_spans(changes, window)) for changes in ours.values())
            refused = RefusedJobs(_seconds(always), clients)
        elif always:
            arm = open_spans(_by_client(version, until).get(EVERY_CLIENT, []), window)
            refused = RefusedJobs(_seconds(common(always, arm)), 0)
        else:
            refused = RefusedJobs()
        if refused != RefusedJobs():
            found[name] = refused
    return found


def _by_client(version: int, until: datetime) -> dict[int, list[CircuitChange]]:
    changes = defaultdict[int, list[CircuitChange]](list)
    for change in read_changes(version, until=until):
        changes[change.client].append(change)
    return dict(changes)


def _seconds(spans: list[TimeSpan]) -> float:
    return sum(span.seconds for span in spans)
