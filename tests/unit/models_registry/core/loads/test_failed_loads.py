"""A version that could not be loaded rests, longer each time, until it is to be tried."""

from models_registry.core.loads.failed_loads import FailedLoads
from models_registry.core.registry_errors import LoadFailedError


def test_a_version_rests_twice_as_long_after_each_failure_and_a_minute_at_most() -> None:
    failed, now, delays = FailedLoads(), 100.0, list[float]()
    for _ in range(6):
        failed.note(1, "m", LoadFailedError("no"), now)
        rest = failed.resting(1, now)
        assert rest is not None
        delays.append(rest.due_s - now)
        now = rest.due_s
        assert failed.resting(1, now) is None
    assert delays == [5, 10, 20, 40, 60, 60]
    assert failed.models() == {"m"}


def test_what_is_to_be_tried_at_once_still_counts_its_failures() -> None:
    failed = FailedLoads()
    failed.note(1, "m", LoadFailedError("no"), 0.0)
    failed.try_now(1, 1.0)
    assert failed.resting(1, 1.0) is None
    failed.note(1, "m", LoadFailedError("no"), 1.0)
    rest = failed.resting(1, 1.0)
    assert rest is not None
    assert rest.delay_s == 10
    assert (failed.forget(1), failed.forget(1), failed.models()) == (True, False, set())


def test_what_an_earlier_process_could_not_load_rests_here_too() -> None:
    failed = FailedLoads()
    failed.rest(1, "m", LoadFailedError("late"), now=10.0, delay_s=600.0)
    rest = failed.resting(1, 609.0)
    assert rest is not None
    assert str(rest.error) == "late"
    assert failed.resting(1, 610.0) is None
