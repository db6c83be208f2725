"""Engines in a forked process, where a crash is an `EngineError`."""

import os
from collections.abc import Mapping

from onnxproof._internal.forked import SECONDS, Forked, ProcessError, last_words
from onnxproof._internal.trees import Array
from onnxproof.engines.base import Engine, EngineError, Session

Place = str | os.PathLike[str]


class EngineProcess:
    """Engines by name, which run files in another process, for up to `seconds` a run; without a limit, in this one.

    The process has one file open at a time, since a session holds its own copy of the weights and of the last run. An
    engine that does not declare itself `forkable` runs in this process, too.
    """

    def __init__(self, engines: Mapping[str, Engine], seconds: float | None = SECONDS) -> None:
        self._engines = engines
        self._seconds = seconds
        sessions: dict[tuple[str, Place], Session] = {}

        def run(name: str, path: Place, inputs: Mapping[str, Array] | None) -> dict[str, Array]:
            if (name, path) not in sessions:
                sessions.clear()
                sessions[name, path] = engines[name].open(path)
            return {} if inputs is None else sessions[name, path].run(inputs)

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
