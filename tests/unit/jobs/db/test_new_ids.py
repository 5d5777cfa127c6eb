import random
from itertools import pairwise
from uuid import UUID

from jobs.core.ids import RANDOM_BITS, unix_ms_of
from jobs.db.new_ids import new_id, new_ids

MANY = 2_000


def random_bits(key: UUID) -> int:
    return (key.int >> 64 & 0xFFF) << 62 | key.int & (1 << 62) - 1


def test_ids_of_one_call_grow() -> None:
    ids = new_ids(MANY)
    assert ids == sorted(set(ids))
    assert {key.version for key in ids} == {7}


def test_a_known_id_says_nothing_of_its_neighbours() -> None:
    bits = [random_bits(key) for key in new_ids(MANY)]
    gaps = [later - earlier for earlier, later in pairwise(bits)]
    assert min(gaps) > 1 << 20  # consecutive ids are one apart; by chance: once in four thousand million runs
    for place in range(RANDOM_BITS):
        ones = sum(number >> place & 1 for number in bits)
        assert MANY * 0.35 < ones < MANY * 0.65, f"bit {place} is not random"


def test_who_knows_the_state_of_python_s_generator_knows_no_id() -> None:
    random.seed(7)
    first = new_id()
    random.seed(7)
    second = new_id()
    assert random_bits(first) != random_bits(second)
    assert abs(unix_ms_of(second) - unix_ms_of(first)) < 60_000
