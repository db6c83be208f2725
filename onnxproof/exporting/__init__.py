"""torch.onnx.export by either exporter, and what it printed."""

from onnxproof.exporting.capture import HeardWarning
from onnxproof.exporting.dynamic import Dim, Dynamic
from onnxproof.exporting.export import Export, ExportError, export

__all__ = ["Dim", "Dynamic", "Export", "ExportError", "HeardWarning", "export"]
