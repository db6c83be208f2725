"""Rounds in a process of their own, which has no more than what it times: none of this suite's speed-ups."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def serve(work: Callable[[], None]) -> None:
    """Does the work once for each line on stdin, and prints the seconds that it took."""
    for _ in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):  # what exporters print
            started = time.perf_counter()
            work()
            seconds = time.perf_counter() - started
        print(seconds, flush=True)


@contextlib.contextmanager
def rounds_of(module: str, *arguments: str) -> Iterator[Callable[[], float]]:
    """Starts `python -m MODULE`, which serves; each call does a round there and returns its seconds."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:

        def once() -> float:
            print(file=process.stdin, flush=True)
            return float(process.stdout.readline())

        yield once
        process.stdin.close()
