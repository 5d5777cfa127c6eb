"""Web pages of the Markdown files in `docs/`: they need no login, like the API's page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER = Path(__file__).parent / "docs"
START = "index"
NAMES = (
    START,
    "architecture",
    "api",
    "models",
    "rollouts",
    "capacity",
    "deploying",
    "operations",
    "security",
    "decisions",
    "benchmarks",
    "glossary",
    "contributing",
)
# The pages need no script and load nothing.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
_TO_A_PAGE = re.compile(r"(?P<name>[a-z]+)\.md(?P<anchor>#.*)?")
_TO_THE_WEB = ("https://", "http://", "#")
_NOT_IN_SLUGS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a page: its level, 1 to 6, its plain text, and the anchor that links name."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered page."""

    html: SafeString
    headings: Sequence[Heading]

    @property
    def title(self) -> str:
        """Return the text of the first heading."""
        return self.headings[0].text

    @property
    def sections(self) -> list[Heading]:
        """Return the headings of the second level."""
        return [heading for heading in self.headings if heading.level == 2]  # noqa: PLR2004  # <h2>


@require_safe
def page(request: HttpRequest, name: str = START) -> HttpResponse:
    """Return a document as a page; 404 for a name that no document has."""
    document = documents().get(name)
    if document is None:
        raise Http404
    answer = render(request, "documents/page.html", {"document": document, "menu": list(_menu(name))})
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


@cache
def documents() -> Mapping[str, Document]:
    """Return every document by its name, in the order of the menu; files are read once a process."""
    return {name: document_of((FOLDER / f"{name}.md").read_text("utf-8")) for name in NAMES}


def document_of(text: str) -> Document:
    """Return Markdown as a page; HTML in it is shown as text, and each heading has an anchor."""
    tokens = PARSER.parse(text)
    headings = list(_anchored(tokens))
    for token in tokens:
        _link(token.children or ())
    html = PARSER.renderer.render(tokens, PARSER.options, {})
    return Document(mark_safe(html), headings)  # noqa: S308  # the parser escapes HTML and refuses script links


def address(name: str) -> str:
    """Return the URL of a document."""
    return reverse("documents") if name == START else reverse("document", args=[name])


def _menu(current: str) -> Iterator[tuple[str, str, Sequence[Heading]]]:
    """Yield address, title and, of the current page, sections."""
    for name, document in documents().items():
        yield address(name), document.title, document.sections if name == current else ()


def _anchored(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Give each heading an id as code hosts do, and yield the headings."""
    repeats = dict[str, int]()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            anchor = slug(text)
            count = repeats[anchor] = repeats.get(anchor, -1) + 1
            anchor += f"-{count}" if count else ""
            opening.attrSet("id", anchor)
            yield Heading(int(opening.tag[1]), text, anchor)


def slug(text: str) -> str:
    """Return the anchor of a heading: lower case, dashes for spaces, no other punctuation."""
    return _NOT_IN_SLUGS.sub("", text.lower()).replace(" ", "-")


def _link(tokens: Sequence[Token]) -> None:
    """Point links between documents at their pages; a link to another file of the project becomes text."""
    closing = ""
    for token in tokens:
        if token.type == "link_open":
            closing = _point(token)
        elif token.type == "link_close":
            token.tag = closing


def _point(opening: Token) -> str:
    """Change a link's address, and return the tag that it is shown as."""
    target = str(opening.attrGet("href"))
    match = _TO_A_PAGE.fullmatch(target)
    if match and match["name"] in NAMES:
        opening.attrSet("href", address(match["name"]) + (match["anchor"] or ""))
    elif not target.startswith(_TO_THE_WEB):
        opening.tag, opening.attrs = "span", {}
    return opening.tag
