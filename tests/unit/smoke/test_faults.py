"""The faults of the smoke test meet every part that can be lost."""

from __future__ import annotations

import pytest

from jobs.db.leases import LEASE_S
from tests.smoke import faults
from tests.smoke.addresses import NODES, RELAYS, WORKERS
from tests.smoke.checks import REFUSED
from tests.smoke.zones import ZONES, zone_of


def test_each_node_relay_and_worker_is_in_one_zone() -> None:
    members = [member for zone in ZONES.values() for member in zone]
    assert sorted(members) == sorted([*NODES, *RELAYS, *WORKERS])
    assert zone_of("gpu-worker-1") == "b"
    assert zone_of("web") == "c"


@pytest.mark.parametrize("table", [faults.WHOLE, faults.SHORT])
def test_each_kind_of_loss_is_in_both_rounds(table: tuple[faults.Fault, ...]) -> None:
    acts = {fault.act for fault in table}
    assert {faults.leader_killed, faults.relay_killed, faults.relay_stopped, faults.zone_lost} <= acts


def test_the_zone_of_the_long_round_is_away_for_longer_than_its_alert_waits() -> None:
    assert [fault.hold_s > 120.0 for fault in faults.WHOLE if fault.alert == "TargetDown"] == [True]
    assert faults.PAST_LEASE_S > LEASE_S


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("operation queue.declare caused a channel exception access_refused: read access to queue", True),
        ("PLAIN login refused: user 'relay' - invalid credentials", True),
        ("read access to queue 'cpu' in vhost '/' refused for user 'worker'", True),
        ("connection to rabbitmq-2@localhost failed: econnrefused", False),
        ("accepting AMQP connection <0.1.0>", False),
    ],
)
def test_which_lines_of_a_broker_s_log_are_refusals(line: str, refused: bool) -> None:  # noqa: FBT001  # a table
    assert bool(REFUSED.search(line)) == refused
