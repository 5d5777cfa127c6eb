"""Virtual time goes forward only, and through every event."""

from __future__ import annotations

from functools import partial

from jobs.core.simulation.agenda import Agenda


def test_events_happen_in_order_of_time_and_then_of_notice() -> None:
    agenda, seen = Agenda(), list[tuple[str, float]]()
    for when_s, name in ((2.0, "late"), (1.0, "first"), (1.0, "second")):
        agenda.at(when_s, partial(lambda name: seen.append((name, agenda.now)), name))
    agenda.advance(5.0)
    assert seen == [("first", 1.0), ("second", 1.0), ("late", 2.0)]
    assert agenda.now == 5.0


def test_events_for_the_past_happen_now() -> None:
    agenda, seen = Agenda(), list[float]()
    agenda.advance(3.0)
    agenda.at(1.0, lambda: seen.append(agenda.now))
    agenda.finish()
    assert seen == [3.0]


def test_future_events_wait() -> None:
    agenda, seen = Agenda(), list[float]()
    agenda.after(1.0, lambda: agenda.after(1.0, lambda: seen.append(agenda.now)))
    agenda.advance(1.5)
    assert not seen
    agenda.finish()
    assert (seen, agenda.now) == ([2.0], 2.0)
