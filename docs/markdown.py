"""Markdown pages, each made by the Jinja template of its name beside this file."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent


def cell(value: object) -> str:
    """A value for a table's cell, with its bars escaped."""
    return str(value).replace("|", r"\|")


def render(page: str, **values: object) -> str:
    """The text of `page`.md.j2 with these values."""
    return _TEMPLATES.get_template(f"{page}.md.j2").render(values)


_TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["cell"] = cell
