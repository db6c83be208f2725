"""A page of the documentation, followed block by block as its reader would."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TABLES = frozenset({"api.md", "faults.md", "names.md", "speed.md", "verdicts.md", "zoo.md"})
"""The pages of docs/ that are tables or made of docstrings, and have no code of their own."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./]+\.(?:py|ini|yml))")
STATUS = re.compile(r"  # (\d): ")
FIGURES = re.compile(
    r"\d[\d.]*e-\d\d|(?<=opset )\d+|(?<=Convoutput_dim_)\d+| +[+-]?\d[\d.]* (?:dB|%)(?= │)|(?<=error of )\d[\d.]* %"
    r"|(?<=errors )\d+(?= dB)"
)
"""What depends on the machine and on torch: errors of rounding, the default opset."""


@dataclass(frozen=True)
class Block:
    """A block of code: its language and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of code of a page, in order."""
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(page: Path) -> list[str]:
    """The lines of the page that are typed into a shell."""
    return [line for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()]


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def lines(output: str) -> list[str]:
    """Output without what depends on the machine, and without white space at the end of lines."""
    return [line.rstrip() for line in FIGURES.sub("N", output).splitlines()]


@dataclass
class Reader:
    """Follows the blocks of a page in the current folder.

    A block of Python or of configuration whose first line is the name of a file is written; another one of Python runs
    in one session. A command runs, and ends with the status in its comment, `# 1: the reason`, or with 0; a `text` is
    what the commands before it printed, or a part of it, which the reader `compares`.
    """

    run: Callable[[list[str]], tuple[int, str]]
    compares: bool = True
    session: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    printed: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def follow(self, found: list[Block]) -> Iterator[Block]:
        """Each block, after it was followed."""
        for block in found:
            getattr(self, f"_{block.language}")(block.text)
            yield block

    def _python(self, text: str) -> None:
        if not self._is_written(text):
            exec(compile(text, "page", "exec"), self.session)

    def _ini(self, text: str) -> None:
        assert self._is_written(text), "no name of a file"

    def _yaml(self, text: str) -> None:
        assert self._is_written(text), "no name of a file"

    def _sh(self, text: str) -> None:
        self.printed.clear()
        for line in text.splitlines():
            expected = STATUS.search(line)
            status, output = self.run(shlex.split(line, comments=True))
            self.printed += lines(output)
            assert status == (int(expected[1]) if expected else 0), f"{line} ends with {status}:\n{output}"

    def _text(self, text: str) -> None:
        shown = lines(text)
        starts = range(len(self.printed) - len(shown) + 1)
        is_shown = any(self.printed[start : start + len(shown)] == shown for start in starts)
        assert is_shown or not self.compares, "\n".join(self.printed)

    def _is_written(self, text: str) -> bool:
        """Whether the text names its file, which is written then."""
        if not (name := FILE.match(text)):
            return False
        path = Path(name[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.written.append(path)
        return True


def in_a_process(arguments: list[str]) -> tuple[int, str]:
    """The status and the output of a command in a process of its own."""
    command = [sys.executable, *(["-m", "pytest"] if arguments[0] == "pytest" else []), *arguments[1:]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    return done.returncode, done.stdout
