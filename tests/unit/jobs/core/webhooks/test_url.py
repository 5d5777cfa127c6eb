import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.provisional import urls

from jobs.core.errors import CallbackRefusedError
from jobs.core.webhooks.url import MAX_URL_CHARS, Endpoint, endpoint, may_connect

INSIDE = ("hooks.internal", "10.0.0.7")
NOT_PUBLIC = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10",
    "224.0.0.0/4", "240.0.0.0/4", "0.0.0.0/8", "192.0.2.0/24", "198.18.0.0/15",
    "::1/128", "::/96", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "::ffff:0:0/96", "64:ff9b::/96",
    "64:ff9b:1::/48", "2001::/32", "2001:db8::/32", "2002::/16",
)  # fmt: skip


def refused(url: str) -> str:
    with pytest.raises(CallbackRefusedError) as caught:
        endpoint(url, internal_hosts=INSIDE)
    return str(caught.value)


@given(st.sampled_from(NOT_PUBLIC).flatmap(lambda block: st.ip_addresses(network=block)))
def test_no_address_of_a_block_that_is_not_public_is_connected_to(address: object) -> None:
    assert not may_connect(str(address), internal=False)
    assert may_connect(str(address), internal=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_a_public_address_is_connected_to(address: str) -> None:
    assert may_connect(address, internal=False)


def test_an_endpoint_is_the_url_s_host_and_port() -> None:
    assert endpoint("https://Hooks.Example.:8443/a?b=c", internal_hosts=()) == Endpoint(
        "https", "hooks.example", 8443, internal=False
    )
    assert endpoint("https://[2606:4700::1111]", internal_hosts=()).host == "2606:4700::1111"


def test_an_internal_host_may_be_http_and_an_address_of_this_network() -> None:
    assert endpoint("http://hooks.internal/x", internal_hosts=INSIDE) == Endpoint(
        "http", "hooks.internal", 80, internal=True
    )
    assert endpoint("http://10.0.0.7:81/", internal_hosts=INSIDE).internal


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://hooks.internal/", "https://user@example.com/", "https://@example.com/",
        "https://u:p@hooks.internal/", "https://example.com/#top", "https://example.com/#", "https:///x", "",
        "https://exa mple.com/", "https://example.com\\@hooks.internal/", "https://example.com/\n",
        "//example.com",
        "https://example.com:99999/", "https://[::1", "https://münchen.example/", "https://127.0.0.1/",
        "https://a..example.com", "https://example.com../", "https://.example.com/",
        f"https://{'a' * 64}.example.com/", f"https://{'a.' * 126}com/", "https://a-.example.com/",
        "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest", "https://[fe80::1%25eth0]/",
    ],
)  # fmt: skip
def test_a_webhook_is_not_sent_to_a_forbidden_url(url: str) -> None:
    assert refused(url).startswith("callback_url ")


def test_the_length_is_bounded() -> None:
    longest = "https://example.com/".ljust(MAX_URL_CHARS, "x")
    assert endpoint(longest, internal_hosts=()).host == "example.com"
    assert "2001 characters" in refused(longest + "x")


@given(st.one_of(st.text(), urls(), st.builds("https://{}/{}".format, st.text(), st.text())))
def test_any_text_is_an_endpoint_by_https_or_refused(url: str) -> None:
    try:
        target = endpoint(url, internal_hosts=())
    except CallbackRefusedError:
        return
    assert (target.scheme, target.internal) == ("https", False)
    assert 0 <= target.port < 1 << 16
