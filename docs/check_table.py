"""The README's table of checks, made of the checks: `python -m docs.check_table` writes it."""

import re
from pathlib import Path

from onnxproof.checks import CHECKS

README = Path(__file__).parents[1] / "README.md"
PLACE = re.compile(r"(?<=<!-- checks: python -m docs.check_table -->\n).*?(?=<!-- end of checks -->)", re.DOTALL)


def table() -> str:
    """A row for each check in its order: its id, and its docstring without subject and full stop."""
    rows = [f"| `{id}` | {str(check.__doc__).removeprefix('The file ').rstrip('.')} |" for id, check in CHECKS.items()]
    return "\n".join(["| check | the file … |", "| --- | --- |", *rows, ""])


def render(text: str) -> str:
    """The README with the table in its place."""
    return PLACE.sub(lambda _: table(), text)


if __name__ == "__main__":
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")
