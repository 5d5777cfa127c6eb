"""The base of background loops: an error ends a step, never the loop; a stop ends it at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import ClassVar

import psycopg
import pytest
import sqlalchemy as sa

from jobs.db import leases, listen_loop
from jobs.db.listen_loop import ListenLoop, first_line, ids

SESSION = sa.Connection.__new__(sa.Connection)  # no statement reaches it


class Recording(ListenLoop):
    """Fails in the steps that `errors` names; stops after `steps`."""

    first_backoff_s, longest_backoff_s = 0.001, 0.004

    def __init__(self, *, stop: Event, steps: int, errors: dict[int, Exception] | None = None) -> None:
        super().__init__(stop=stop)
        self.history: list[str] = []
        self._steps, self._errors = steps, errors or {}
        self._number = 0

    @property
    def pause_s(self) -> float:
        return 0.0

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002
        self._number += 1
        self.history.append(f"step {self._number}")
        if self._number >= self._steps:
            self._stop.set()
        if error := self._errors.get(self._number):
            raise error

    def opened(self, session: sa.Connection) -> None:  # noqa: ARG002
        self.history.append("opened")

    def interrupted(self, error: Exception) -> None:
        assert error.args is not None
        self.history.append("interrupted")

    def closed(self) -> None:
        self.history.append("closed")


@pytest.fixture(autouse=True)
def sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "keep", lambda _session: None)

    @contextmanager
    def open_session() -> Iterator[sa.Connection]:
        yield SESSION

    monkeypatch.setattr(listen_loop, "open_session", open_session)


def test_steps_follow_each_other_on_one_session_until_the_stop() -> None:
    loop = Recording(stop=Event(), steps=3)
    loop.run()
    assert loop.history == ["opened", "step 1", "step 2", "step 3", "closed"]


def test_an_error_of_the_database_ends_one_step_and_opens_a_new_session() -> None:
    loop = Recording(stop=Event(), steps=2, errors={1: psycopg.OperationalError("gone")})
    loop.run()
    assert loop.history == ["opened", "step 1", "interrupted", "closed", "opened", "step 2", "closed"]


def test_any_other_error_ends_the_loop_and_still_closes_it() -> None:
    loop = Recording(stop=Event(), steps=9, errors={1: ValueError("a fault of ours")})
    with pytest.raises(ValueError, match="a fault of ours"):
        loop.run()
    assert loop.history == ["opened", "step 1", "closed"]


def test_errors_in_a_row_are_waited_out_longer_each_time_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    stop = Event()
    monkeypatch.setattr(stop, "wait", pauses.append)
    errors: dict[int, Exception] = {number: psycopg.OperationalError("gone") for number in (1, 2, 3, 4, 6)}
    Recording(stop=stop, steps=7, errors=errors).run()
    assert [pause_s for pause_s in pauses if pause_s] == [0.001, 0.002, 0.004, 0.004, 0.001]


class Holder:
    """Holds every lease that it asks for."""

    def __init__(self, _session: sa.Connection, _office: str) -> None:
        """Hold nothing yet."""

    def take(self, _name: str) -> bool:
        return True

    def resign(self) -> None:
        """Give all up."""


class Officer(Recording):
    """Takes steps only while it holds its office."""

    office: ClassVar[str | None] = "an office"


def test_only_the_holder_of_the_office_takes_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [True, True, False]
    monkeypatch.setattr(listen_loop, "OFFICE_S", 0.001)
    monkeypatch.setattr(leases, "held_by_another", lambda *_: answers.pop(0))
    monkeypatch.setattr(listen_loop, "HeldLeases", Holder)
    loop = Officer(stop=Event(), steps=1)
    loop.run()
    assert (loop.history, answers) == (["opened", "step 1", "closed"], [])


def test_a_loop_that_cannot_get_ready_does_not_ask_for_its_office(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()
    monkeypatch.setattr(leases, "held_by_another", lambda _session, office: asked.append(office))
    loop = Officer(stop=(stop := Event()), steps=1)

    def fail() -> None:
        stop.set()
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(loop, "prepare", fail)
    loop.run()
    assert (loop.history, asked) == (["interrupted", "closed"], [])


def test_a_loop_that_waits_for_its_office_ends_with_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Event()

    def held_and_stopped(*_: object) -> bool:
        stop.set()
        return True

    monkeypatch.setattr(listen_loop, "OFFICE_S", 0.001)
    monkeypatch.setattr(leases, "held_by_another", held_and_stopped)
    loop = Officer(stop=stop, steps=1)
    loop.run()
    assert loop.history == ["closed"]


def test_what_any_user_may_notify_names_no_job_unless_it_is_an_id() -> None:
    job = "00000000-0000-0000-0000-000000000007"
    payloads = ["", "job:", "job:7", f"batch:{job}", f"job:{job}"]
    assert [str(identity) for identity in ids(payloads, "job")] == [job]


def test_an_error_without_a_text_is_named_by_its_class() -> None:
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError("one\ntwo")) == "one"
