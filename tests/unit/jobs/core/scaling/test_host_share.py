"""Hosts share what is needed without moving workers, and never start more than that."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

from jobs.core.scaling.host_share import ScaledHost, shares

A, B, C = (ScaledHost(name, 0, 4) for name in ("a", "b", "c"))


def test_missing_workers_go_to_the_hosts_with_the_fewest() -> None:
    assert shares(3, [B, A]) == {"a": 2, "b": 1}
    assert shares(1, [B, A]) == {"a": 1, "b": 0}
    assert shares(4, [replace(A, target=1), B]) == {"a": 2, "b": 2}


def test_what_a_host_has_stays_there_though_another_has_none() -> None:
    assert shares(4, [replace(A, target=4), B]) == {"a": 4, "b": 0}


def test_workers_too_many_leave_the_host_with_the_most() -> None:
    assert shares(2, [replace(A, target=1), replace(B, target=3)]) == {"a": 1, "b": 1}


def test_bounds_hold_and_a_full_host_leaves_the_rest_to_others() -> None:
    assert shares(9, [replace(A, highest=2), B]) == {"a": 2, "b": 4}
    assert shares(0, [replace(A, lowest=2), B]) == {"a": 2, "b": 0}
    assert shares(3, [replace(A, lowest=2, highest=1), B]) == {"a": 1, "b": 2}
    assert shares(2, []) == {}


def test_hosts_that_decide_one_after_the_other_have_together_what_is_needed() -> None:
    rng = random.Random(7)
    hosts = {host.host: host for host in (A, B, C)}
    for needed, name in itertools.product([rng.randrange(13) for _ in range(200)], hosts):
        target = shares(needed, hosts.values())[name]
        hosts[name] = replace(hosts[name], target=target)
        if name == "c":  # by then each has looked once
            assert sum(host.target for host in hosts.values()) == needed
