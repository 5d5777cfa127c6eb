"""A few inputs of each batch that were answered are known again, the newest of them."""

from __future__ import annotations

from jobs.core.circuits.answered_inputs import MOST, MOST_BYTES, OF_A_BATCH, AnsweredInputs


def test_an_answered_input_is_known_again() -> None:
    inputs = AnsweredInputs()
    inputs.remember([b'{"n":1}'])
    assert b'{"n":1}' in inputs
    assert b'{"n":2}' not in inputs


def test_long_inputs_and_most_of_a_large_batch_are_not_remembered() -> None:
    inputs = AnsweredInputs()
    inputs.remember([b"x" * (MOST_BYTES + 1), *(b"%d" % n for n in range(OF_A_BATCH))])
    assert b"x" * (MOST_BYTES + 1) not in inputs
    assert b"0" in inputs
    assert b"%d" % (OF_A_BATCH - 1) not in inputs


def test_the_oldest_are_forgotten() -> None:
    inputs = AnsweredInputs()
    for number in range(MOST + 1):
        inputs.remember([b"%d" % number])
    assert b"0" not in inputs
    assert b"1" in inputs
