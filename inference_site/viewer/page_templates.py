"""The viewer's own templates before Flower's: `flower/NAME` is Flower's where both have one."""

from __future__ import annotations

from pathlib import Path

from flower.urls import settings as page_settings
from tornado.template import BaseLoader, Template

OURS, FLOWERS = Path(__file__).parent / "templates", Path(page_settings["template_path"])
FLOWER = "flower/"


class PageTemplates(BaseLoader):
    """Reads a template once, from our folder or from Flower's."""

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:  # noqa: ARG002  # Tornado's
        """Return the name, because no template lies in a folder of its own."""
        return name

    def _create_template(self, name: str) -> Template:
        ours = OURS / name
        path = ours if ours.is_file() else FLOWERS / name.removeprefix(FLOWER)
        return Template(path.read_bytes(), name=name, loader=self)
