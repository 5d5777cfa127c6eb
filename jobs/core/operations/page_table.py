"""A table of the live page as ready cells: the page's template and its script fill the same table alike."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["", "good", "amber", "red"]


class PageColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column; `meaning` explains it. Texts stand left, figures right."""

    title: str
    meaning: str = ""
    is_text: bool = False


class PageCell(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cell; `href` is where it leads, if anywhere."""

    text: str
    level: Level = ""
    href: str = ""


class PageRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row; `key` stays the same from one reading to the next, and `model` is what it is about, if one."""

    key: str
    cells: list[PageCell]
    model: str = ""


class PageTable(msgspec.Struct, frozen=True):
    """A table; `empty` is what stands in it without a row."""

    name: str
    title: str
    columns: list[PageColumn]
    rows: list[PageRow]
    empty: str

    @property
    def lines(self) -> list[tuple[PageRow, list[tuple[PageColumn, PageCell]]]]:
        """Return each row with its cells beside their columns."""
        return [(row, list(zip(self.columns, row.cells, strict=True))) for row in self.rows]
