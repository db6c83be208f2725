"""Every known fault that suits it, put into the right files of ten architectures: caught, or seen to change nothing."""

from dataclasses import asdict

import pytest

from docs.zoo_page import Tried
from onnxproof.faults.trials import trials
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCHSCRIPT
from zoo.test_zoo import ARCHITECTURES

RIGHT = (
    "compact",
    "distilbert",
    "efficientnet",
    "fpn",
    "gpt2",
    "nafnet",
    "resnet",
    "segformer",
    "vocoder",
    "yolov8",
)
"""Architectures of five packages and more, whose files by torchscript are right."""


@pytest.mark.parametrize("name", RIGHT)
def test_faults(name, keep_tried):
    """No fault is missed: one that no check sees leaves the outputs what they are, up to rounding."""
    architecture = ARCHITECTURES[name]
    found = list(trials(exported(ReferenceModel(architecture.make()), TORCHSCRIPT)))
    tried = [asdict(trial) for trial in found]
    keep_tried(Tried(name=name, package=architecture.package, exporter=TORCHSCRIPT, trials=tried))
    assert found
    assert [trial.fault for trial in found if trial.is_missed] == []
