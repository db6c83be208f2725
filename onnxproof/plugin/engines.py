"""The engines of the conversion checks in a pytest run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from onnxproof.case import Case
    from onnxproof.engines.base import Engine


def engines_of_test(config: pytest.Config, given: Sequence[str | Engine], cases: Iterable[Case]) -> dict[str, Engine]:
    """The engines of `--onnx-engine`; else those given with the test, of its cases, or of `onnx_engines`.

    Raises `CaseError` for cases with different engines, and for an engine that cannot run here.
    """
    from onnxproof._internal.texts import one_line
    from onnxproof.case import CaseError
    from onnxproof.engines.asked import as_names, engines_of
    from onnxproof.engines.base import EngineError

    own = [as_names(case.engines) for case in cases]
    if not (config.option.onnx_engine or given) and any(engines != own[0] for engines in own):
        raise CaseError("its cases name different engines; give each set a test of its own")
    asked = config.option.onnx_engine or given or next(iter(own), ()) or config.getini("onnx_engines")
    try:
        return engines_of(asked)
    except EngineError as error:
        where = "--onnx-engine: " if config.option.onnx_engine else "engines: "
        raise CaseError(f"{where}{one_line(error)}") from error


def require_engines(config: pytest.Config, case: Case, engines: dict[str, Engine], maker: Any) -> None:
    """Raises `CaseError` for a case, made when its first test runs, that names engines which no test was made for."""
    from onnxproof.case import CaseError
    from onnxproof.engines.asked import as_names

    names = [each if isinstance(each, str) else each.name for each in as_names(case.engines)]
    if names and not config.option.onnx_engine and names != list(engines):
        raise CaseError(f"its case names engines: write @conversion_checks({maker.__name__}, engines={names})")


def id_in(check: str, engine: str) -> str:
    """The id of a check in an engine, which is left out for ONNX Runtime on the CPU."""
    return check if engine == "onnxruntime" else f"{check}-{engine}"
