from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.ids import first_id_at, unix_ms_of, uuid7

MS = st.integers(0, 2**48 - 1)
ENTROPY = st.integers(0, 2**80)


@given(MS, ENTROPY)
def test_a_key_is_a_uuid_of_version_7_that_carries_its_time(ms: int, entropy: int) -> None:
    key = uuid7(ms, entropy)
    assert (key.version, key.variant, unix_ms_of(key)) == (7, RFC_4122, ms)


@given(MS, MS, ENTROPY, ENTROPY)
def test_later_keys_are_larger(first: int, second: int, entropy: int, other: int) -> None:
    if first < second:
        assert uuid7(first, entropy) < uuid7(second, other)


@given(MS, ENTROPY)
def test_the_first_key_of_a_time_is_not_above_any_of_that_time(ms: int, entropy: int) -> None:
    assert first_id_at(ms) <= uuid7(ms, entropy)


@given(st.integers(max_value=-1), MS, ENTROPY)
def test_a_time_before_1970_begins_before_all_keys(before: int, ms: int, entropy: int) -> None:
    assert first_id_at(before) <= uuid7(ms, entropy)


@given(MS, st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_entropy_alone_distinguishes_and_orders_ids_of_one_time(ms: int, first: int, second: int) -> None:
    assert (uuid7(ms, first) < uuid7(ms, second)) == (first < second)
