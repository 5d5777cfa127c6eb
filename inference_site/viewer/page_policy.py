"""What a browser may do with the viewer's pages: load from the viewer alone, and show no page in a frame."""

from __future__ import annotations

from tornado.httputil import HTTPHeaders
from tornado.web import OutputTransform

# Bootstrap and the tables set styles; no page has a script in it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class PagePolicy(OutputTransform):
    """Adds the policy to each answer."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001  # Tornado's
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return the answer with its headers."""
        headers["Content-Security-Policy"] = POLICY
        headers["Referrer-Policy"] = "same-origin"
        return super().transform_first_chunk(status_code, headers, chunk, finishing)
