"""The Routes of several jobs, as arrays: what they have in common is sent once."""

from __future__ import annotations

from jobs.core.submission.routed_job import JobRoute, RouteKind, key_of, route_arrays, stored_key
from models_registry.core.routing.decision import Arm

STABLE = RouteKind(Arm.STABLE, "echo", rollout=7, rule=3, version=5)
COUNTED = RouteKind(Arm.STABLE, "echo", rollout=7, rule=3, version=5, counted=True)
FALLBACK = RouteKind(Arm.FALLBACK, "x" * 300)


def test_a_job_has_the_place_of_its_kind() -> None:
    arrays = route_arrays(
        [JobRoute(STABLE, 1), None, JobRoute(COUNTED, 2), JobRoute(FALLBACK), JobRoute(STABLE, 3)]
    )
    assert arrays == {
        "route": [1, None, 2, 3, 1],
        "sticky": [1, None, 2, None, 3],
        "rollouts": [7, 7, None],
        "rules": [3, 3, None],
        "decided": [5, 5, None],
        "arms": ["stable", "stable", "fallback"],
        "counts": [False, True, False],
        "asked": ["echo", "echo", "x" * 200],
    }


def test_equal_kinds_of_several_calls_have_one_place() -> None:
    equal = RouteKind(Arm.STABLE, "echo", rollout=7, rule=3, version=5)
    assert route_arrays([JobRoute(STABLE, 1), JobRoute(equal, 2)])["route"] == [1, 1]


def test_a_key_is_stored_as_the_signed_number_of_its_bytes() -> None:
    for key in (bytes(8), b"\xff" * 8, b"\x80" + bytes(7)):
        assert key_of(stored_key(key)) == key
