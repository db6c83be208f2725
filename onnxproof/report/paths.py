"""Where files of a run are, as the page in another folder names them."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from onnxproof._internal.files import is_file
from onnxproof.report.runs import Run

_ABSOLUTE = re.compile(r"(?<![\w.…/-])/(?:[^\s/:;,'\"`()]+/)*[^\s/:;,'\"`()]+\.(?:cc|h|data|onnx|py|so)\b")
"""An absolute path of a file; names of nodes look alike, but for the ending."""


def without_folders(text: str) -> str:
    """A text in which absolute paths are cut down to the file's name, or to its place among the installed packages."""
    return _ABSOLUTE.sub(lambda found: f"…/{found[0].partition('/site-packages/')[2] or Path(found[0]).name}", text)


class Paths:
    """Paths relative to the page's folder. One that leads through the root, as an absolute path does, is not shown."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def relative(self, path: Path) -> str:
        """The path from the page's folder; where that leads through the root, the last two parts."""
        return self._found(path) or "/".join(path.absolute().parts[-2:])

    def command(self, program: str, runs: Sequence[Run], name: str) -> str:
        """A command for a file of the first run that still has it, "" if none has."""
        found = self._kept(runs, name)
        word = f"./{found}" if found.startswith("-") else found
        return f"{program} {shlex.quote(word)}" if found else ""

    def link(self, runs: Sequence[Run], name: str) -> str:
        """The address of such a file, "" if there is none, or if it is outside of the run's folder."""
        is_inside = not (Path(name).is_absolute() or ".." in Path(name).parts)
        found = self._kept(runs, name) if is_inside else ""
        return f"./{quote(found)}" if found else ""

    def _kept(self, runs: Sequence[Run], name: str) -> str:
        paths = (run.folder / name for run in runs)
        return next(filter(None, (self._found(path) for path in paths if is_file(path))), "")

    def _found(self, path: Path) -> str:
        here, there = Path(os.path.abspath(self.folder)), Path(os.path.abspath(path))  # noqa: PTH100  # keeps links
        is_near = Path(os.path.commonpath((here, there))) != Path(here.anchor)
        return os.path.relpath(there, here) if is_near else ""
