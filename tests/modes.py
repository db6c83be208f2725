"""Which modes of Upsample serve images of which number of dimensions."""

import pytest

MODES = {
    3: ("nearest", "linear", "area"),  # (N, C, W)
    4: ("nearest", "bilinear", "bicubic", "area"),  # (N, C, H, W)
    5: ("nearest", "trilinear", "area"),  # (N, C, D, H, W)
}
SERVED = [(mode, dimensions) for dimensions, modes in MODES.items() for mode in modes]
REFUSED = [(mode, dimensions) for mode in dict(SERVED) for dimensions in MODES if mode not in MODES[dimensions]]


def each_of(pairs):
    """A spec for each pair of a mode and a number of dimensions."""
    cases = [pytest.param(mode, dimensions, id=f"{mode}-{dimensions}d") for mode, dimensions in pairs]
    return pytest.mark.parametrize(("mode", "dimensions"), cases)
