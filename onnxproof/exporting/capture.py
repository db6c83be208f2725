"""Whatever Python, native code and loggers print while something runs, and the warnings, collected."""

import contextlib
import io
import linecache
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import wurlitzer


@dataclass(frozen=True)
class HeardWarning:
    """A warning, with the line of source that it is about."""

    category: str
    message: str
    file: str
    line: int
    source: str


@dataclass
class Heard:
    """The warnings, and the text without terminal colours."""

    warnings: list[HeardWarning] = field(default_factory=list)
    text: str = ""


@contextlib.contextmanager
def everything(log: Path | None = None) -> Iterator[Heard]:
    """Collects the warnings, and whatever Python, native code and loggers write to stdout and stderr.

    If a `log` is named, the text is there as well, also when the process crashes.
    """
    heard = Heard()
    with contextlib.ExitStack() as stack:
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        file: TextIO = (
            log.open("w+", buffering=1, errors="replace")
            if log
            else tempfile.TemporaryFile("w+", buffering=1, errors="replace")  # noqa: SIM115
        )
        stack.callback(_close, file)
        try:
            with (
                wurlitzer.pipes(file, wurlitzer.STDOUT),
                contextlib.redirect_stdout(file),
                contextlib.redirect_stderr(file),
                _logged_to(file),
            ):
                yield heard
        finally:
            heard.warnings += [_warning(warning) for warning in caught]
            with contextlib.suppress(OSError):  # a full disk, on which what was said is lost, and nothing else
                file.seek(0, io.SEEK_SET)
                heard.text = without_colours(file.read())


def _close(file: TextIO) -> None:
    with contextlib.suppress(OSError):
        file.close()


@contextlib.contextmanager
def _logged_to(file: TextIO) -> Iterator[None]:
    """Sends to `file` what loggers write to a stream: torch's handler keeps the stderr that it found when imported.

    Handlers of the root of another kind that show records, as pytest's do, see none meanwhile: it adds its handlers to
    loggers that do not propagate as well.
    """
    root = logging.getLogger()
    loggers = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    handlers = {handler for logger in (root, *loggers) for handler in logger.handlers}
    with contextlib.ExitStack() as stack:
        for handler in handlers:
            if type(handler) is logging.StreamHandler:
                stack.callback(setattr, handler, "stream", handler.stream)
                handler.stream = file  # setStream would flush the other stream, which may be closed
            elif handler in root.handlers and _shows(handler):
                handler.addFilter(_nothing)
                stack.callback(handler.removeFilter, _nothing)
        if not any(type(handler) is logging.StreamHandler for handler in root.handlers):
            own = logging.StreamHandler(file)
            root.addHandler(own)
            stack.callback(root.removeHandler, own)
        yield


def _nothing(record: logging.LogRecord) -> bool:
    """A filter that no record passes."""
    return False


def _shows(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)


def _warning(warning: warnings.WarningMessage) -> HeardWarning:
    source = linecache.getline(warning.filename, warning.lineno).strip()
    return HeardWarning(warning.category.__name__, str(warning.message), warning.filename, warning.lineno, source)


def without_colours(text: str) -> str:
    """`text` without a terminal's colour codes."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
