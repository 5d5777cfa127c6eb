from jobs.core.access import guess_rate
from jobs.core.access.guess_rate import GUESS_S, GUESSES_AT_ONCE, GuessRate


def test_an_address_may_guess_a_few_times_at_once_and_then_one_at_a_time() -> None:
    rate = GuessRate()
    assert [rate.wait_s("a", 0.0) for _ in range(GUESSES_AT_ONCE)] == [0.0] * GUESSES_AT_ONCE
    assert rate.wait_s("a", 0.0) == GUESS_S
    assert rate.wait_s("b", 0.0) == 0.0
    assert rate.wait_s("a", GUESS_S - 1) == 1.0
    assert rate.wait_s("a", GUESS_S) == 0.0
    assert rate.wait_s("a", GUESS_S) == GUESS_S


def test_refused_guesses_do_not_put_off_the_next() -> None:
    rate = GuessRate()
    for _ in range(1_000):
        rate.wait_s("a", 0.0)
    assert rate.wait_s("a", GUESS_S) == 0.0


def test_the_number_of_addresses_is_bounded() -> None:
    rate = GuessRate()
    for number in range(guess_rate.MOST_GUESSERS + 50):
        rate.wait_s(str(number), 0.0)
    assert len(rate._full_at) == guess_rate.MOST_GUESSERS
