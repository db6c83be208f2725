"""Shows whether an ONNX file does what the PyTorch model did, and where it does not."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxproof.case import Case
    from onnxproof.check_plugin import conversion_checks

__all__ = ["Case", "conversion_checks"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports what is asked for only then: the pytest plugin lies in this package, and must not import torch."""
    if name == "Case":
        from onnxproof.case import Case

        return Case
    if name == "conversion_checks":
        from onnxproof.check_plugin import conversion_checks

        return conversion_checks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
