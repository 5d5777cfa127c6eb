"""The table of faults."""

from __future__ import annotations

from tests.chaos.faults.table import BY_NAME, SHORT, TABLE


def test_each_fault_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(TABLE)


def test_the_short_round_names_faults_of_the_table() -> None:
    assert set(SHORT) <= set(BY_NAME)
