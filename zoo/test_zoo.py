"""Every architecture's conversion is right, or wrong in a known way that its case tells."""

import pytest

from docs.zoo_page import unexplained
from onnxproof.versions import EXPORTERS
from zoo import (  # noqa: F401  # each adds its architectures
    segmentation_models,
    spandrel_models,
    timm_models,
    torchvision_models,
    transformers_audio,
    transformers_text,
    transformers_vision,
    ultralytics_models,
)
from zoo.architecture import ARCHITECTURES
from zoo.run import check

PARAMETERS = [
    pytest.param(name, id=name, marks=[pytest.mark.quick] if architecture.quick else [])
    for name, architecture in ARCHITECTURES.items()
]


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", PARAMETERS)
def test_conversion(name, exporter, keep_run):
    """No check fails but for a reason that the case gives, and each that cannot judge refers to one that does."""
    run = check(name, ARCHITECTURES[name], exporter)
    keep_run(run)
    assert unexplained(run) == []
