"""The documents as pages: rendered safely, linked among themselves, read by anybody without a database."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from inference_site.documents import FOLDER, NAMES, address, document_of, documents
from tests.support.documents import written


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "127.0.0.1"})


class Links(HTMLParser):
    """Collects the addresses that a page links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found = list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if tag == "a" and name == "href"]


def test_every_file_of_the_folder_is_a_page() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_anybody_may_read_a_page_that_runs_no_script(client: Client, name: str) -> None:
    answer = client.get(address(name))
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    text = answer.content.decode()
    assert "<script" not in text
    assert f"<title>{documents()[name].title} |" in text
    assert text.count('aria-current="page"') == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_a_page_is_answered(client: Client, name: str) -> None:
    page = client.get(address(name)).content.decode()
    for link in set(Links(page).found):
        path, _, anchor = link.partition("#")
        if link.startswith("https://") or path == reverse("admin:index"):
            continue
        answer = client.get(path or address(name))
        assert answer.status_code == 200, link
        assert not anchor or f'id="{anchor}"' in answer.content.decode(), link


def test_the_documents_and_the_api_s_page_link_to_each_other(client: Client) -> None:
    assert "/api/v1/docs" in Links(client.get("/docs/").content.decode()).found
    about = client.get("/api/v1/openapi.json").json()["info"]["description"]
    (link,) = re.findall(r"\]\((/docs/[^)]*)\)", about)
    assert client.get(link).status_code == 200


@pytest.mark.parametrize(
    "path", ["/docs/nothing", "/docs/..%2fsettings", "/docs/operations.md", "/docs/index/x"]
)
def test_what_is_no_document_is_not_found(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_page_is_only_read(client: Client) -> None:
    assert client.post("/docs/").status_code == 405
    assert client.head("/docs/api").status_code == 200


def test_html_and_links_that_run_something_are_shown_as_text() -> None:
    page = str(
        document_of("# A\n\n<script>x()</script> <b onclick=x()>b</b>\n\n[run](javascript:x())\n").html
    )
    assert "<script" not in page
    assert "<b " not in page
    assert "href" not in page


def test_headings_have_the_anchors_that_code_hosts_give_them() -> None:
    page = document_of("# The `x_y`'s API, 2\n\n## A\n\n## A\n")
    assert [heading.anchor for heading in page.headings] == ["the-x_ys-api-2", "a", "a-1"]
    assert [section.text for section in page.sections] == ["A", "A"]
    assert '<h2 id="a-1">' in page.html


def test_a_link_to_a_file_of_the_project_is_text_and_one_to_a_page_leads_there() -> None:
    page = str(
        document_of("[code](../../jobs/tasks.py) [ops](operations.md#settings) [web](https://x.example)").html
    )
    assert page == (
        '<p><span>code</span> <a href="/docs/operations#settings">ops</a> <a href="https://x.example">web</a></p>\n'
    )


def test_every_page_says_what_it_is_before_its_first_section() -> None:
    for name in NAMES:
        first, _, rest = written(FOLDER / f"{name}.md").text.partition("\n")
        assert first.startswith("# "), name
        assert rest.partition("\n## ")[0].strip(), name
