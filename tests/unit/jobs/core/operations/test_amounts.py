from collections.abc import Callable

import pytest

from jobs.core.operations import amounts


@pytest.mark.parametrize(
    ("spell", "value", "text"),
    [
        (amounts.count, None, "-"),
        (amounts.count, 0, "0"),
        (amounts.count, 48_211, "48,211"),
        (amounts.rate, None, "-"),
        (amounts.rate, 0, "0/s"),
        (amounts.rate, 0.25, "0.2/s"),
        (amounts.rate, 1234.5, "1,234/s"),
        (amounts.mean, 15.82, "15.8"),
        (amounts.part, 0.9999, "99.9 %"),
        (amounts.part, 1.0, "100 %"),
        (amounts.part, 0.0, "0.0 %"),
        (amounts.span, None, "-"),
        (amounts.span, 0.0, "0 ms"),
        (amounts.span, 0.0304, "30 ms"),
        (amounts.span, 59.94, "59.9 s"),
        (amounts.span, 754.0, "12 min 34 s"),
        (amounts.span, 3_600.0, "1 h 0 min"),
        (amounts.span, 90_061.0, "1 d 1 h"),
    ],
)
def test_amounts_are_short(spell: Callable[[float | None], str], value: float | None, text: str) -> None:
    assert spell(value) == text


@pytest.mark.parametrize(
    ("used_mib", "total_mib", "text"),
    [(0, 15_360, "0 B of 15.0 GiB"), (700, 143_771, "700 MiB of 140 GiB"), (None, 1, "-"), (1, None, "-")],
)
def test_a_device_s_memory_is_in_the_units_of_nvidia_smi(
    used_mib: int | None, total_mib: int | None, text: str
) -> None:
    used, total = (None if value is None else value * 2**20 for value in (used_mib, total_mib))
    assert amounts.memory(used, total) == text


def test_words_agree_with_their_number() -> None:
    spelled = [amounts.things(number, "job") for number in (0, 1, 1_200)]
    assert spelled == ["0 jobs", "1 job", "1,200 jobs"]
    spelled = [amounts.things(number, "relay publishes", "relays publish") for number in (0, 1, 2)]
    assert spelled == ["0 relays publish", "1 relay publishes", "2 relays publish"]


def test_several_times_have_the_unit_of_the_longest() -> None:
    assert amounts.spans((0.004, 0.0101, 0.0171)) == "4 / 10 / 17 ms"
    assert amounts.spans((0.5, None, 61.0)) == "0.0 / - / 1.0 min"
    assert amounts.spans((None, None, None)) == "-"
