"""Each version is ordered once, when it becomes wanted: what has traffic first."""

from models_registry.core.loads.wanted import Orders, Wanted


def test_a_version_is_loaded_when_it_becomes_wanted_and_not_again_while_it_is() -> None:
    orders = Orders()
    wanted = Wanted(stable=(1, 2), coming=(3,), warm=(4,))
    assert orders.due(wanted, loaded=[1]) == [2, 3]
    assert orders.due(wanted, loaded=[1]) == []
    assert orders.due(Wanted(stable=(1, 2)), loaded=[1]) == []
    assert orders.due(wanted, loaded=[1]) == [3]


def test_a_stable_version_that_failed_is_tried_again_when_an_alias_is_to_be_moved_to_it() -> None:
    orders = Orders()
    assert orders.due(Wanted(stable=(1,)), loaded=[]) == [1]
    assert orders.due(Wanted(stable=(1,), coming=(1,)), loaded=[]) == [1]


def test_a_version_that_jobs_are_routed_to_is_loaded_before_one_that_is_coming() -> None:
    wanted = Wanted(stable=(1,), coming=(3,), routed=(2,))
    assert wanted.to_load == (1, 2, 3)
    assert wanted.with_traffic == (1, 2)
