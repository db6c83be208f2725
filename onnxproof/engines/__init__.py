"""One call, many engines, on named numpy arrays; a module each, imported only when it is used."""

from onnxproof.engines.base import NAMES, Engine, EngineError, Session, engine

__all__ = ["NAMES", "Engine", "EngineError", "Session", "engine"]
