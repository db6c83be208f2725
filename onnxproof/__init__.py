"""Shows whether an ONNX file does what the PyTorch model did, and where it does not."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxproof.case import Case, CaseError
    from onnxproof.checks.check import CheckError, NotJudgedError
    from onnxproof.checks.run import run as check
    from onnxproof.exporting.dynamic import Dim
    from onnxproof.findings import Finding
    from onnxproof.plugin.conversions import conversion_checks
    from onnxproof.probing.drawn import drawn_inputs
    from onnxproof.results import CheckVerdict

__all__ = [
    "Case",
    "CaseError",
    "CheckError",
    "CheckVerdict",
    "Dim",
    "Finding",
    "NotJudgedError",
    "check",
    "conversion_checks",
    "drawn_inputs",
]
__version__ = "0.1.0"

_PLACES = {
    "Case": "onnxproof.case",
    "CaseError": "onnxproof.case",
    "CheckError": "onnxproof.checks.check",
    "CheckVerdict": "onnxproof.results",
    "Dim": "onnxproof.exporting.dynamic",
    "Finding": "onnxproof.findings",
    "NotJudgedError": "onnxproof.checks.check",
    "check": "onnxproof.checks.run:run",
    "conversion_checks": "onnxproof.plugin.conversions",
    "drawn_inputs": "onnxproof.probing.drawn",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is asked for: pytest loads the plugin in every project, and it must not import torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, other = _PLACES[name].partition(":")
    return getattr(import_module(module), other or name)
