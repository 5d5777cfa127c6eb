"""Where the metrics of a served web process are: on a port of their own."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import httpx

PAGES = WeakKeyDictionary[httpx.Client, str]()  # the page's address, by the client of the server


def lines_of(server: httpx.Client) -> list[str]:
    """Return the lines of the page of a server, by its client."""
    return httpx.get(PAGES[server], trust_env=False).raise_for_status().text.splitlines()
