"""The reason of a decision names what is needed, and the bound that holds where one does."""

from __future__ import annotations

from dataclasses import replace

from jobs.core.scaling.scale_reason import ScaleGround

TWO = ScaleGround(
    needed=2, unscaled=0, hosts=1, total=2, lowest=0, highest=4, usable=4, target=2
)  # fmt: skip


def test_it_names_the_need_and_who_shares_it() -> None:
    assert TWO.reason == "The models need 2."
    shared = replace(TWO, needed=5, unscaled=1, hosts=2, total=4)
    assert shared.reason == "The models need 5, 1 run without an autoscaler, 2 hosts share them."


def test_it_names_the_bound_that_holds() -> None:
    short = replace(TWO, needed=9, total=4, target=4)
    assert short.reason == "The models need 9, --max is 4."
    assert replace(short, usable=1, total=1, target=1).reason == "The models need 9, only 1 can run here now."
    paused = replace(TWO, needed=0, usable=1, total=1, lowest=2, target=1)
    assert paused.reason == "The models need 0, only 1 can run here now."
    kept = replace(TWO, needed=0, total=2, lowest=2)
    assert kept.reason == "The models need 0, --min is 2."
    assert replace(kept, needed=1, unscaled=3).reason.endswith("3 run without an autoscaler, --min is 2.")


def test_the_bound_of_another_host_is_not_named() -> None:
    assert replace(TWO, needed=0, total=2, target=0, lowest=0, hosts=2).reason.endswith("share them.")
