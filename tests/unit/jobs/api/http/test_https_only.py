from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import settings
from starlette.requests import Request

from jobs.api.http.https_only import HSTS, hsts, https_location


def a_request(path: str = "/api/v1/jobs", scheme: str = "http", **headers: str) -> Request:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "scheme": scheme}
    return Request(scope | {"query_string": b"a=1", "headers": [(b"host", b"inference.example"), *fields]})


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(settings.INFERENCE, api_url="https://inference.example", trusted_proxy_hops=1)
    monkeypatch.setattr(settings, "INFERENCE", config)
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["inference.example"])


def test_http_is_redirected_to_https() -> None:
    assert https_location(a_request()) == "https://inference.example/api/v1/jobs?a=1"


def test_the_redirect_never_leads_to_a_host_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["other.example"])
    assert https_location(a_request()) == "https://inference.example/api/v1/jobs?a=1"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_may_use_http(path: str) -> None:
    assert https_location(a_request(path)) is None


def test_https_by_a_trusted_proxy_is_served_and_never_to_be_left() -> None:
    for request in (a_request(x_forwarded_proto="https"), a_request(scheme="https")):
        assert https_location(request) is None
        assert hsts(request) == {"Strict-Transport-Security": HSTS}
    assert hsts(a_request()) == {}


def test_without_a_trusted_proxy_the_header_is_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, trusted_proxy_hops=0))
    assert https_location(a_request(x_forwarded_proto="https")) is not None


def test_a_site_with_an_http_address_redirects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, api_url="http://127.0.0.1:8000"))
    assert https_location(a_request()) is None
    assert hsts(a_request(x_forwarded_proto="https")) == {}
