from __future__ import annotations

import asyncio

import pytest

from jobs.api.http import output_room
from jobs.api.http.output_room import OutputRoom
from jobs.core.errors import UnavailableError

MB = 1_000_000


def test_large_results_wait_for_room_and_small_ones_do_not() -> None:
    async def crowded() -> None:
        room, sent = OutputRoom(10 * MB), list[int]()

        async def send(client: int, size: int) -> None:
            async with room.room_for(client, size):
                sent.append(client)

        async with room.room_for(1, 4 * MB), room.room_for(2, 40 * MB):  # which counts as 5 MB
            waiting = [asyncio.ensure_future(send(1, 2 * MB)), asyncio.ensure_future(send(3, 2 * MB))]
            await asyncio.wait_for(send(2, 1_000), 5)
            await asyncio.wait_for(send(4, 1 * MB), 5)
            assert sent == [2, 4]
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        assert sent == [2, 4, 1, 3]
        assert (room._used, dict(room._by_client), room._waiting) == (0, {}, {})

    asyncio.run(crowded())


def test_a_client_has_half_of_the_room_and_who_waits_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output_room, "PATIENCE_S", 0.05)

    async def crowded() -> None:
        room = OutputRoom(10 * MB)
        async with room.room_for(1, 5 * MB):
            with pytest.raises(UnavailableError):
                async with room.room_for(1, 1 * MB):
                    pass
            async with room.room_for(2, 5 * MB):
                pass

    asyncio.run(crowded())
