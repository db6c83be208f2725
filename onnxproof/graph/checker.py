"""onnx's checker."""

from pathlib import Path

import onnx

from onnxproof._internal.texts import one_line


def refused_by_checker(path: Path) -> str:
    """Why onnx's full checker, with strict shape inference, refuses a file; "" if it does not."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:
        return one_line(error) or type(error).__name__
    return ""
