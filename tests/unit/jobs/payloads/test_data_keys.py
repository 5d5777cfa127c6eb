"""A process keeps data keys for minutes, a bounded number of them, and does not wait for a silent service."""

from __future__ import annotations

import pytest

from jobs.core.errors import EncryptionUnavailableError, PayloadErasedError, PayloadUnavailableError
from jobs.core.payloads.job_keys import DataKeyName
from jobs.core.payloads.keyring import Keyring
from jobs.payloads import data_keys
from jobs.payloads.data_keys import KEPT_S, PAUSE_S, DataKeys
from jobs.payloads.wrapping.wrapping_key import NamedWrappingKeys, WrappedDataKey

NAME = DataKeyName(1, 202611)


class Rows:
    """Rows in memory, which count how often they were read."""

    def __init__(self) -> None:
        self.rows: dict[DataKeyName, WrappedDataKey] = {}
        self.looks = 0

    def find(self, name: DataKeyName) -> WrappedDataKey | None:
        self.looks += 1
        return self.rows.get(name)

    def add(self, name: DataKeyName, row: WrappedDataKey) -> WrappedDataKey:
        return self.rows.setdefault(name, row)


class Silent(NamedWrappingKeys):
    """A service that may fall silent."""

    calls, silent = 0, False

    def unwrap(self, row: WrappedDataKey, place: DataKeyName) -> bytes:
        self.calls += 1
        if self.silent:
            raise PayloadUnavailableError
        return super().unwrap(row, place)


class World:
    def __init__(self) -> None:
        self.now_s, self.rows = 0.0, Rows()
        self.service = Silent(Keyring({"k": b"k" * 32}))
        self.keys = DataKeys(self.rows, [self.service], lambda: self.now_s)


@pytest.fixture
def world() -> World:
    return World()


def test_a_key_is_made_once_and_read_again_only_after_a_while(world: World) -> None:
    key = world.keys.for_sealing(NAME)
    looks = world.rows.looks
    assert world.keys.for_reading(NAME) == world.keys.for_sealing(NAME) == key
    assert world.rows.looks == looks
    world.now_s = KEPT_S
    assert world.keys.for_reading(NAME) == key
    assert world.rows.looks == looks + 1


def test_a_key_that_is_gone_is_not_made_again_to_read(world: World) -> None:
    world.keys.for_sealing(NAME)
    world.rows.rows.clear()
    world.now_s = KEPT_S
    with pytest.raises(PayloadErasedError):
        world.keys.for_reading(NAME)


def test_the_oldest_of_many_keys_are_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_keys, "MOST", 3)
    for client in range(5):
        world.keys.for_sealing(DataKeyName(client, 202611))
    assert repr(world.keys) == "DataKeys(3 kept)"


def test_a_key_of_one_place_opens_at_no_other(world: World) -> None:
    first, other = (world.keys.for_sealing(DataKeyName(1, month)) for month in (202611, 202612))
    assert first != other


def test_a_silent_service_is_asked_only_now_and_then(world: World) -> None:
    key = world.keys.for_sealing(NAME)
    world.service.silent, world.now_s, calls = True, KEPT_S, world.service.calls
    for _ in range(5):
        with pytest.raises(PayloadUnavailableError):
            world.keys.for_reading(NAME)
    assert world.service.calls == calls + 1
    world.service.silent = False
    world.now_s += PAUSE_S
    assert world.keys.for_reading(NAME) == key


def test_without_a_wrapping_key_nothing_is_sealed() -> None:
    with pytest.raises(EncryptionUnavailableError):
        DataKeys(Rows(), []).for_sealing(NAME)
