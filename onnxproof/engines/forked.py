"""Engines in a forked process, where a crash is an `EngineError`."""

import os
from collections.abc import Mapping
from pathlib import Path

from cachetools import LRUCache

from onnxproof._internal.forked import SECONDS, Forked, ProcessError, last_words
from onnxproof._internal.trees import Array
from onnxproof.engines.base import Engine, EngineError, Session

Place = str | os.PathLike[str]

SMALL, FEW = 2**20, 4
"""The bytes of a small file, and of small inputs; so many sessions of small files stay open."""


class EngineProcess:
    """Engines by name, which run files in another process, for up to `seconds` a run; without a limit, in this one.

    The process has one file open at a time, since a session holds its own copy of the weights and of the last run, but
    some of small files that have small runs. An engine that does not declare itself `forkable` runs in this process,
    too.
    """

    def __init__(self, engines: Mapping[str, Engine], seconds: float | None = SECONDS) -> None:
        self._engines = engines
        self._seconds = seconds
        sessions = _Sessions(engines)

        def run(name: str, path: Place, inputs: Mapping[str, Array] | None) -> dict[str, Array]:
            is_large = sum(array.nbytes for array in (inputs or {}).values()) > SMALL
            session = sessions.get(name, path, is_large)
            return {} if inputs is None else session.run(inputs)

        self._run = Forked(run, seconds)

    def open(self, name: str, path: Place) -> Session:
        """The ONNX file in an engine. Raises `EngineError` for a file that it refuses, and if it crashes."""
        engine = self._engines[name]
        if not self._seconds or not getattr(engine, "forkable", False):
            return engine.open(path)
        self.ask(name, path, None)
        return _Session(self, name, path)

    def close(self) -> None:
        """Ends the process."""
        self._run.close()

    def ask(self, name: str, path: Place, inputs: dict[str, Array] | None) -> dict[str, Array]:
        """The outputs of a file in an engine, which opens it first; none for no inputs. Raises `EngineError`."""
        try:
            return self._run(name, path, inputs)  # type: ignore[no-any-return]
        except ProcessError as error:
            said = last_words(error.printed)
            raise EngineError(f"{self._engines[name].name} {error}{'. ' * bool(said)}{said}") from error


class _Session:
    def __init__(self, process: EngineProcess, name: str, path: Place) -> None:
        self._process, self._name, self._path = process, name, path

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return self._process.ask(self._name, self._path, dict(inputs))


class _Sessions:
    """The files that are open: a few small ones that have small runs, or another one alone."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines
        self._open: LRUCache[tuple[str, Place], Session] = LRUCache(FEW)
        self._are_small = True

    def get(self, name: str, path: Place, is_large_run: bool) -> Session:
        """A file in an engine. Raises `EngineError` for a file that it refuses."""
        own = name, path
        found = self._open.get(own)
        if found and not (is_large_run and self._are_small):
            return found
        are_small = not is_large_run and is_small(path)
        if not (are_small and self._are_small):
            self._open.clear()
        self._are_small = are_small
        self._open[own] = found or self._engines[name].open(path)
        return self._open[own]


def is_small(path: Place) -> bool:
    """Whether a file is small with its external data: one that may name some is not."""
    try:
        return Path(path).stat().st_size <= SMALL and b"location" not in Path(path).read_bytes()
    except OSError:
        return False
