"""Which engines are installed."""

from importlib.util import find_spec

import pytest

from tests import facts


def needs(engine: str) -> pytest.MarkDecorator:
    """Skips where an engine, or OpenCV 5, is not installed."""
    base = engine.partition(":")[0]
    if base == "opencv":
        return pytest.mark.skipif(not facts.opencv_runs_dynamic_shapes, reason="OpenCV 4 does otherwise")
    return pytest.mark.skipif(find_spec(base) is None, reason=f"{base} is not installed: pip install {base}")
