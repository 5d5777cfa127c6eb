"""A silent receiver holds no more than its share, and what finds no room comes again spread over time."""

from __future__ import annotations

from itertools import pairwise

from jobs.core.webhooks.shares import MOST_WAIT_S, Receiver, ShareLimits, WebhookShares

SLOW, OTHER = Receiver(1, "slow.example"), Receiver(1, "other.example")
FOREIGN = Receiver(2, "slow.example")


def filled(shares: WebhookShares, receiver: Receiver, count: int) -> None:
    assert [shares.enter(receiver, 0.0) for _ in range(count)] == [0.0] * count


def test_a_receiver_has_its_share_and_no_more() -> None:
    shares = WebhookShares(ShareLimits(receiver=2, client=3))
    filled(shares, SLOW, 2)
    assert shares.enter(SLOW, 0.0) > 0
    filled(shares, OTHER, 1)
    assert shares.enter(OTHER, 0.0) > 0  # the client's share
    filled(shares, FOREIGN, 2)  # of another client: what one does to a host is nothing to others
    shares.leave(SLOW, size=0, took_s=15.0)
    filled(shares, SLOW, 1)


def test_all_of_them_and_their_bytes_are_bounded() -> None:
    shares = WebhookShares(ShareLimits(attempts=2, size=100))
    filled(shares, SLOW, 1)
    shares.add(100)
    assert shares.enter(FOREIGN, 0.0) > 0
    shares.leave(SLOW, size=100, took_s=1.0)
    filled(shares, FOREIGN, 2)
    assert shares.enter(OTHER, 0.0) > 0


def test_those_without_room_come_again_as_fast_as_the_receiver_answers() -> None:
    shares = WebhookShares(ShareLimits(receiver=2))
    filled(shares, SLOW, 2)
    shares.enter(SLOW, 0.0)
    for _ in range(2):  # it never answers
        shares.leave(SLOW, size=0, took_s=15.0)
        filled(shares, SLOW, 1)
    waits_s = [shares.enter(SLOW, 0.0) for _ in range(50)]
    gaps_s = [after - before for before, after in pairwise(waits_s)]
    assert min(gaps_s) > 3.0
    assert shares.enter(OTHER, 0.0) == 0.0


def test_ten_thousand_ask_again_no_more_often_than_about_once_in_the_longest_wait() -> None:
    shares = WebhookShares()
    filled(shares, SLOW, 8)
    waits_s = [shares.enter(SLOW, 0.0) for _ in range(10_000)]
    assert max(waits_s) <= MOST_WAIT_S
    busiest = max(sum(at <= wait_s < at + 10 for wait_s in waits_s) for at in range(0, 600, 10))
    assert busiest < 600


def test_what_is_known_of_receivers_is_forgotten() -> None:
    shares = WebhookShares(ShareLimits(receiver=1))
    for number in range(1_000):
        receiver = Receiver(number, "h")
        assert shares.enter(receiver, float(number)) == 0.0
        shares.enter(receiver, float(number))
        shares.leave(receiver, size=0, took_s=0.1)
    assert len(shares._paces) < 10
