"""A new login of Flower counts once Flower has been started again."""

from __future__ import annotations

from pathlib import Path

import httpx

from inference_site.stack.ports import LOOPBACK, free_ports
from tests.support.site import Site
from tests.support.virtual_hosts import virtual_host
from tests.support.wait import wait_until

OLD, NEW = ("admin", "old-word"), ("admin", "new-word")


def started(site: Site, name: str, login: tuple[str, str]) -> str:
    (port,) = free_ports(1)
    words = ("-m", "inference_site.viewer.serve_events", f"--address={LOOPBACK}", f"--port={port}")
    site.start(name, *words, FLOWER_BASIC_AUTH=":".join(login))
    url = f"http://{LOOPBACK}:{port}"
    wait_until(lambda: status(f"{url}/healthcheck", login) == httpx.codes.OK, what=lambda: site.tail(name))
    return url


def status(url: str, login: tuple[str, str]) -> int:
    try:
        return httpx.get(url, auth=login, trust_env=False, timeout=5).status_code
    except httpx.HTTPError:
        return 0


def test_the_new_login_counts_after_a_restart_and_the_old_one_no_more(
    services: dict[str, str], tmp_path: Path
) -> None:
    with virtual_host() as broker, Site(tmp_path, {"BROKER_URL": broker}) as site:
        url = started(site, "flower-old", OLD)
        assert (status(f"{url}/workers", OLD), status(f"{url}/workers", NEW)) == (200, 401)
        site.stop("flower-old")
        url = started(site, "flower-new", NEW)
        assert (status(f"{url}/workers", OLD), status(f"{url}/workers", NEW)) == (401, 200)
