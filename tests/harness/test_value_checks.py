"""The checks of values say what they saw: a figure where there is one, and an exporter's refusal."""

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model
from torch import nn

from onnxproof import conversion
from onnxproof.case import Case
from onnxproof.conversion import Conversion
from onnxproof.exporting import ExportError, export
from onnxproof.findings import FAILS
from onnxproof.value_checks import inputs_live, repeatable, same_values
from onnxproof.versions import TORCHSCRIPT

ROWS = np.linspace(-3, 4, 24, dtype=np.float32).reshape(6, 4)
COUNT = """
<ir_version: 8, opset_import: ["": 18]>
g (float[6, 4] x) => (int64[2] output) <int64[2] output_size = {6, 4}> { output = Identity (output_size) }
"""


class Net(nn.Module):
    def forward(self, x):
        return x * 2 + x.mean()


class Count(nn.Module):
    """A model that gives integers."""

    def forward(self, x):
        return x.new_tensor(x.shape).long()


@pytest.fixture
def given(tmp_path):
    """A file given for the model that counts."""

    def make(text):
        onnx.save(parse_model(text), tmp_path / "count.onnx")
        return Conversion(Case(Count(), {"x": ROWS}), exporter="", given=tmp_path / "count.onnx")

    return make


class TestFigure:
    """A finding has a figure where values were compared, and none elsewhere."""

    def test_equal(self, given):
        """Integers that are the same are equal."""
        assert same_values(given(COUNT)).figure == "equal"

    def test_apart(self, given):
        """Of others the largest distance is told."""
        assert same_values(given(COUNT.replace("{6, 4}", "{6, 9}"))).figure == "5 apart"

    def test_does_not_run(self, given):
        """A file that does not run has none."""
        found = same_values(given(COUNT.replace("Identity", "local.Odd")))
        assert (found.verdict, found.figure) == (FAILS, "")


class TestRefusedAgain:
    """A model that the exporter takes once and not again has a file, and is not repeatable."""

    @pytest.fixture
    def exported_once(self, monkeypatch):
        """A conversion whose exporter refuses from the second time on."""
        exports = []

        def once(*args, **options):
            if exports:
                raise ExportError("refused the second time")
            exports.append(export(*args, **options))
            return exports[0]

        monkeypatch.setattr(conversion, "export", once)
        return Conversion(Case(Net(), {"x": ROWS}), exporter=TORCHSCRIPT)

    def test_repeatable(self, exported_once):
        """The refusal is told as what differs."""
        found = repeatable(exported_once)
        assert (found.verdict, found.problem) == (FAILS, "exported again it differs: refused the second time")

    def test_inputs_live(self, exported_once):
        """So it is where the model is traced on other inputs."""
        found = inputs_live(exported_once)
        assert found.verdict == FAILS
        assert found.problem.endswith("it differs: refused the second time")
