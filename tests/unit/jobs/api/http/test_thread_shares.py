from __future__ import annotations

import asyncio

from jobs.api.http.body_room import Share
from jobs.api.http.thread_shares import ThreadShares


def test_a_sender_holds_its_share_while_others_come_through() -> None:
    async def crowded() -> list[str]:
        shares, done, stay = ThreadShares(4), list[str](), asyncio.Event()

        async def use(sender: str, *, stays: bool = False) -> None:
            async with shares.turn((Share(sender, 0.5), Share("address", 0.75))):
                done.append(sender)
                if stays:
                    await stay.wait()

        greedy = [asyncio.ensure_future(use("a", stays=True)) for _ in range(40)]
        await asyncio.sleep(0)
        await asyncio.wait_for(use("b"), 5)
        among = list(done)
        stay.set()
        await asyncio.gather(*greedy)
        assert not shares._turns
        return among

    assert asyncio.run(crowded()) == ["a", "a", "b"]


def test_a_share_is_one_thread_at_least() -> None:
    async def alone() -> None:
        async with ThreadShares(1).turn((Share("a", 0.1),)):
            pass

    asyncio.run(asyncio.wait_for(alone(), 5))
