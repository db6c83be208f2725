"""The engines of a conversion: those that were asked for, and those that it is always held against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike

from onnxproof._internal.forked import Forked, ProcessError, last_words
from onnxproof.engines.base import Engine, EngineError, Session, engine, version_of
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.reference import ReferenceEvaluator

ONNXRUNTIME, UNOPTIMIZED, REFERENCE = "onnxruntime", "unoptimized", "reference"
"""ONNX Runtime on the CPU with graph optimization and without, and onnx's reference evaluator."""

SECONDS = 120
"""How long an engine may take to be imported."""


def default_engines() -> dict[str, Engine]:
    """ONNX Runtime on the CPU, the same without graph optimization, and the reference evaluator."""
    return {
        ONNXRUNTIME: OnnxRuntime(),
        UNOPTIMIZED: OnnxRuntime(optimize=False),
        REFERENCE: ReferenceEvaluator(),
    }


def engines_of(asked: str | Iterable[str | Engine]) -> dict[str, Engine]:
    """The engines asked for, by name, in their order; ONNX Runtime on the CPU if there are none.

    Raises `EngineError` for one that is not known, not installed or cannot run here, and for two of one name.
    """
    found: dict[str, Engine] = {}
    for each in dict.fromkeys(as_names(asked)) or [ONNXRUNTIME]:
        made = named(each) if isinstance(each, str) else each
        name = REFERENCE if isinstance(made, ReferenceEvaluator) else made.name
        if found.setdefault(name, made) != made:
            raise EngineError(f"two engines are called {name}; give one another name")
        require(made)
    return found


def as_names(asked: str | Iterable[str | Engine]) -> tuple[str | Engine, ...]:
    """Engines, also where one is named alone."""
    return (asked,) if isinstance(asked, str) else tuple(asked)


def with_defaults(asked: dict[str, Engine]) -> dict[str, Engine]:
    """The engines asked for, each of ONNX Runtime's also without graph optimization, and the default ones."""
    twins = {
        unoptimized(name): replace(made, optimize=False, name=unoptimized(name))
        for name, made in asked.items()
        if isinstance(made, OnnxRuntime)
    }
    return default_engines() | asked | twins


def unoptimized(name: str) -> str:
    """What an engine without graph optimization is called among a conversion's."""
    return UNOPTIMIZED if name == ONNXRUNTIME else f"{name} {UNOPTIMIZED}"


def named(name: str) -> Engine:
    """An engine by name, which is imported where it runs: few survive a fork."""
    base, _, option = name.partition(":")
    if base == ONNXRUNTIME:
        return OnnxRuntime(option) if option else OnnxRuntime()
    return ReferenceEvaluator() if name == REFERENCE else Named(name)


def require(engine: Engine) -> None:
    """Raises `EngineError` for an engine that cannot run here."""
    if hasattr(engine, "require"):
        engine.require()


@dataclass(frozen=True)
class Named:
    """An engine that is imported in the process that runs it."""

    name: str

    forkable = True

    @property
    def version(self) -> str:
        """The installed version."""
        return version_of(self.name)

    def require(self) -> None:
        """Raises `EngineError` for an engine that is not known, not installed, or cannot run here.

        It is imported in a process of its own.
        """
        _require_named(self.name)

    def open(self, path: str | PathLike[str]) -> Session:
        """Raises `EngineError` for a file that the engine refuses."""
        return engine(self.name).open(path)


@lru_cache
def _require_named(name: str) -> None:
    try:
        Forked(lambda: require(engine(name)), SECONDS)()
    except ProcessError as error:
        raise EngineError(f"{name} {error}. {last_words(error.printed)}".strip()) from error


def versions_of(names: Sequence[str]) -> dict[str, str]:
    """The installed version of each engine's package, by the engine's name without its option."""
    bases = dict.fromkeys(name.partition(":")[0] for name in names if name not in default_engines())
    return {base: found for base in bases if (found := version_of(base))}
