"""The process around a command: its exit status, interrupts and broken output."""

import argparse
import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator

from onnxproof.cli.error import CommandError


def run(arguments: argparse.Namespace) -> int:
    """Runs the command in `arguments.run` and returns the exit status: 0 done, 1 a check fails, 2 could not run (the
    reason is on stderr), 130 interrupted.
    """
    status, reason = 0, ""
    with _interrupts() as interrupts:
        try:
            status = int(arguments.run(arguments) or 0)
            sys.stdout.flush()
        except CommandError as error:
            status, reason = 2, str(error)
        except BrokenPipeError:  # the reader has seen enough; `rich` ends with 1 there as well
            _drop_output()
            status = 1
        except OSError as error:
            _drop_output()
            needed = f"its output, and temporary files to {tempfile.gettempdir()} (TMPDIR names another folder)"
            status, reason = 2, f"{error}; it needs to write {needed}"
        except KeyboardInterrupt:
            interrupts.append(signal.SIGINT)
        except Exception:
            if not interrupts:
                raise
    if interrupts:
        running = getattr(arguments, "running", "")
        status, reason = 130, f"interrupted{', in ' * bool(running)}{running}"
    if reason:
        print(f"onnxproof: {reason}", file=sys.stderr)
    return status


def make_printable() -> None:
    """Lets a terminal without × or → print ? instead of stopping the command, and closed streams lead nowhere."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed by the caller: a file that is opened would take its number
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w"))  # noqa: PTH123, SIM115
            setattr(sys, f"__{name}__", getattr(sys, name))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Sends what Python and native code print to stderr: stdout is for the command's own output."""
    with contextlib.redirect_stdout(sys.stderr):
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _drop_output() -> None:
    """Sends the rest of stdout nowhere: Python would try it again at the end, with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The interrupts so far: native code that calls Python can turn KeyboardInterrupt into another error."""
    seen: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield seen
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
