"""torch.onnx.export by either exporter, and what it printed."""

from onnxproof.exporting.capture import HeardWarning
from onnxproof.exporting.export import Dynamic, Export, ExportError, export

__all__ = ["Dynamic", "Export", "ExportError", "HeardWarning", "export"]
