"""Calls that may crash or hang, in a forked process, which has the model, picklable or not, within milliseconds.

A new Python would take seconds to import torch. Only Linux forks safely: elsewhere the call runs in this process.
"""

import ctypes
import faulthandler
import gc
import multiprocessing
import os
import pickle
import re
import signal
import stat
import sys
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TextIO

from onnxproof._internal.files import is_own

SECONDS = 1800.0
"""How long one export, or one run in an engine, may take by default."""


class ProcessError(Exception):
    """The process crashed or did not finish in time; `printed` is what it printed, and its stack at the end."""

    def __init__(self, problem: str, printed: str = "") -> None:
        super().__init__(problem)
        self.printed = printed


class Forked:
    """`call` in a process that is forked when it is first called, keeps its state, and ends with this object.

    Arguments and results are pickled, the call itself is not. Without `seconds` there is no limit, and the call runs
    in this process, where a debugger can stop it.
    """

    def __init__(self, call: Callable[..., Any], seconds: float | None = SECONDS) -> None:
        self._call = call
        self._seconds = seconds
        self._stop: Callable[[], Any] | None = None

    def __call__(self, *args: Any) -> Any:
        """The result of the call, or the exception that it raises. Raises `ProcessError`."""
        if not self.forks:
            return self._call(*args)
        try:
            if self._stop is None:
                self._start()
            answer = self._ask(args)
        except BaseException:  # an interrupt, too
            self.close()
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def forks(self) -> bool:
        """Whether the call runs in another process; that of multiprocessing's daemon may not fork."""
        return bool(self._seconds) and sys.platform == "linux" and not multiprocessing.current_process().daemon

    def close(self) -> None:
        """Ends the process."""
        if self._stop:
            self._stop()
        self._stop = None

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        pipes = _pipes()
        self._connection, theirs = context.Pipe()
        self._printed = tempfile.TemporaryFile("w+", buffering=1, errors="replace")  # noqa: SIM115
        args = (self._call, theirs, self._printed, pipes)
        self._process = context.Process(target=_serve, args=args, daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any thread, as OpenMP's
            self._process.start()
        theirs.close()
        self._stop = weakref.finalize(self, _end, os.getpid(), self._process, self._connection, self._printed)

    def _ask(self, args: tuple[Any, ...]) -> Any:
        with suppress(EOFError, OSError):  # it has ended
            self._connection.send(args)
            if not wait([self._connection, self._process.sentinel], self._seconds):
                raise ProcessError(f"did not finish in {self._seconds:g} s", self._stack())
            return self._connection.recv()
        self._process.join()
        raise ProcessError(_ending(self._process.exitcode or 0), self._text())

    def _stack(self) -> str:
        """What the process printed, and where it is: faulthandler answers SIGABRT."""
        os.kill(self._process.pid or 0, signal.SIGABRT)
        self._process.join(5)
        return self._text()

    def _text(self) -> str:
        self._printed.seek(0)
        return self._printed.read()


def last_words(printed: str, *hidden: Path) -> str:
    """What a process said last, and where it was, if it can outside of the `hidden` folders; "" if it said nothing."""
    said, _, stack = printed.partition("Fatal Python error: ")
    at_work = (part for part in re.split(r"^.*hread 0x.*$", stack, flags=re.MULTILINE) if " in _serve" not in part)
    frames = [found for part in at_work for found in re.findall(r'File "(.+?)", line (\d+) in (\S+)', part)]
    foreign = [frame for frame in frames if not is_own(Path(frame[0]))]
    shown = [frame for frame in foreign if not any(Path(frame[0]).is_relative_to(folder) for folder in hidden)]
    places = [f"It was in `{function}` at {file}:{line}." for file, line, function in shown or foreign]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join([*places[:1], *(f"It printed last: {line[:200]}" for line in lines[-1:])])


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended its process with status {status}"
    name = signal.Signals(-status).name
    memory = ", as Linux does when memory runs out" if name == "SIGKILL" else ""
    return f"crashed: {signal.strsignal(-status)} ({name}{memory})"


def _end(parent: int, process: Any, connection: Connection, printed: TextIO) -> None:
    """Ends the process; a copy of its owner in another forked process, which is collected there, leaves it alone."""
    if os.getpid() == parent:
        process.kill()
        process.join()
    connection.close()
    printed.close()


def _serve(call: Callable[..., Any], connection: Connection, printed: TextIO, pipes: dict[int, os.stat_result]) -> None:
    """Answers until the parent ends; what is printed goes to a file, and a crash is dumped there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends this process
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # the first to be killed when memory runs out
    for stream in (1, 2):
        os.dup2(printed.fileno(), stream)
    _let_go(pipes)
    gc.freeze()  # a collection would copy the parent's memory, page by page
    sys.stdout = sys.stderr = printed
    faulthandler.enable(printed)
    # libgomp's threads are gone after a fork, and only a new thread of Python gets new ones: the main one would wait
    threading.Thread(target=_answer_all, args=(call, connection), daemon=True).start()
    parent = multiprocessing.parent_process()
    wait([parent.sentinel] if parent else [])


def _pipes() -> dict[int, os.stat_result]:
    """This process's pipes and sockets by descriptor, besides those of its three streams."""
    found = {}
    for descriptor in (int(path.name) for path in Path("/proc/self/fd").iterdir()):
        with suppress(OSError):  # that of the listing is closed
            status = os.fstat(descriptor)
            if descriptor > 2 and (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)):
                found[descriptor] = status
    return found


def _let_go(pipes: dict[int, os.stat_result]) -> None:
    """Leaves pipes to the parent: who reads one waits until its last copy is closed."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, status in pipes.items():
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), status):  # and not one that another thread has opened since
                os.dup2(nothing, descriptor)  # the number stays taken: the object that has it may still close it


def _answer_all(call: Callable[..., Any], connection: Connection) -> None:
    while True:
        args = connection.recv()
        try:
            connection.send(call(*args))
        except BaseException as error:
            connection.send(_portable(error))
        _give_memory_back()


def _give_memory_back() -> None:
    """Returns what glibc keeps of freed memory: an export leaves hundreds of megabytes until the process ends."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _portable(error: BaseException) -> BaseException:
    """The exception, or one that says the same and can be pickled."""
    try:
        return pickle.loads(pickle.dumps(error))  # type: ignore[no-any-return]
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
