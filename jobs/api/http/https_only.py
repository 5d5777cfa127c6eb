"""Where the site's address is https, the API redirects http and tells browsers never to use it.

Health pages answer both, because probes ask a server behind its proxy.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from starlette.requests import Request

API = "/api/"
HSTS = "max-age=31536000; includeSubDomains; preload"


def is_secure(request: Request) -> bool:
    """Return whether the client sent a request by https, as the server or a trusted proxy reports it."""
    if request.scope.get("scheme") == "https":
        return True
    claimed = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip()
    return bool(settings.INFERENCE.trusted_proxy_hops) and claimed == "https"


def https_location(request: Request) -> str | None:
    """Return where a call of the API by http is redirected to; None where it may be answered."""
    scope = request.scope
    if not settings.INFERENCE.https or not scope["path"].startswith(API) or is_secure(request):
        return None
    host = request.headers.get("host", "")
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        host = urlsplit(settings.INFERENCE.api_url).netloc
    query = scope["query_string"].decode("latin-1")
    return f"https://{host}{scope['raw_path'].decode('latin-1')}" + (f"?{query}" if query else "")


def hsts(request: Request) -> dict[str, str]:
    """Return the header of an answer that was sent by https."""
    return {"Strict-Transport-Security": HSTS} if settings.INFERENCE.https and is_secure(request) else {}
