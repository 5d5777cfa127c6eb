"""The servers of the stack serve the pages for people and the files that these load."""

import re

import httpx
import pytest

from inference_site.stack.harness import Stack

LOADED = re.compile(r'(?:href|src)="(/static/[^"]+)"')


@pytest.mark.parametrize("page", ["/api/v1/docs", "/admin/login/"])
@pytest.mark.parametrize("server", ["api", "stream"])
def test_a_page_and_all_that_it_loads_are_served(stack: Stack, server: str, page: str) -> None:
    with httpx.Client(base_url=stack.info[server], trust_env=False) as browser:
        loaded = LOADED.findall(browser.get(page).raise_for_status().text)
        assert loaded, "it loads nothing: is this the page?"
        assert {path: browser.get(path).status_code for path in loaded} == dict.fromkeys(loaded, 200)
