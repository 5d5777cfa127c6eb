import pytest

from jobs.api.http.client_address import client_address, network_of

PEER = "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "hops", "address"),
    [
        ("", 0, PEER),
        ("6.6.6.6", 0, PEER),
        ("", 1, PEER),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "203.0.113.9"),
        ("6.6.6.6,", 1, None),
        ("6.6.6.6, unknown", 1, None),
    ],
)
def test_only_the_trusted_hops_of_x_forwarded_for_are_believed(
    forwarded: str, hops: int, address: str | None
) -> None:
    assert client_address(PEER, forwarded, hops=hops) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("' OR 1=1", None),
        ("1" * 10_000, None),
    ],
)
def test_an_address_is_returned_as_postgres_accepts_it(text: str, address: str | None) -> None:
    assert client_address(text, "", hops=0) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (None, None),
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_limits_count_an_ipv6_host_s_network(address: str | None, network: str | None) -> None:
    assert network_of(address) == network
