from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.webhooks.special_addresses import SPECIAL_V4, SPECIAL_V6, is_special

# The rows of IANA's registries, most of which lie in a larger block of the table.
REGISTERED = (
    *SPECIAL_V4, *SPECIAL_V6, "0.0.0.0/32", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32",
    "192.0.0.170/32", "192.0.0.171/32", "192.88.99.2/32", "255.255.255.255/32", "::/128", "::1/128",
    "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32",
    "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28",
)  # fmt: skip
INSIDE = (
    "192.0.0.192", "192.88.99.1", "168.63.129.16", "169.254.169.254", "100.100.100.200", "255.255.255.255",
    "fd00:ec2::254", "3fff::1", "3fff:fff::1", "5f00::1", "100::1", "100:0:0:1::1", "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1", "64:ff9b:1:fffe:7f:0:100:0", "2002:7f00:1::", "2001:0:7f00:1::", "2001:1ff::1",
    "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1", "2a00:1450::5efe:a00:1",
    "2a00:1450::200:5efe:a00:1", "4000::1", "1::1", "200::1", "e000::1",
)  # fmt: skip


@given(st.sampled_from(REGISTERED).flatmap(lambda block: st.ip_addresses(network=block)))
def test_every_registered_block_is_special(address: object) -> None:
    assert is_special(address)  # type: ignore[arg-type]  # hypothesis types it as either


@pytest.mark.parametrize("block", REGISTERED)
def test_a_block_is_special_from_its_first_address_to_its_last(block: str) -> None:
    network = ip_network(block)
    assert is_special(network[0])
    assert is_special(network[-1])


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_leads_inside_is_special(address: str) -> None:
    assert is_special(ip_address(address))


@given(st.ip_addresses())
def test_what_python_takes_for_private_is_special(address: object) -> None:
    assert getattr(address, "is_global") or is_special(address)  # type: ignore[arg-type]  # noqa: B009


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "192.0.1.1", "192.88.98.1", "198.20.0.1", "223.255.255.254", "2001:200::1",
     "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450:4001::1", "2003::1", "2620:4f:8001::1"],
)  # fmt: skip
def test_a_public_host_is_not_special(address: str) -> None:
    assert not is_special(ip_address(address))
