"""Shows whether an ONNX file does what the PyTorch model did, and where it does not."""

__version__ = "0.1.0"
