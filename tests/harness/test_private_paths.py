"""A file that is to be shipped names no path of the machine that it was exported on, if that is asked for."""

import re
import shlex
import subprocess
import sys

import numpy as np
import onnx
import pytest
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.interface import no_private_paths, self_contained
from onnxproof.checks.run import run
from onnxproof.graph.private import private_paths
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests import facts

NOTE = "runs alone; names local paths: see no-private-paths"


def conversion(exporter):
    """The export of a layer with scoped names."""
    case = Case(nn.Sequential(nn.Linear(4, 4), nn.ReLU()).eval(), {"x": np.ones((2, 4), np.float32)})
    return exported(ReferenceModel(case), exporter)


def planted(put):
    """The export of a layer by torchscript, changed by `put`."""
    made = conversion(TORCHSCRIPT)
    model = onnx.load(made.file.path)
    put(model)
    onnx.save(model, made.file.path)
    return made


@pytest.mark.skipif(not facts.torch_export_is_default, reason="an older exporter writes no stack traces")
class TestTorchExport:
    """torch.export writes stack traces into the metadata of nodes."""

    def test_note(self):
        """By default that is a note of a check that holds."""
        finding = judge(self_contained, conversion(TORCH_EXPORT))
        assert (finding.verdict, finding.figure) == (CheckVerdict.HOLDS, NOTE)

    def test_asked(self):
        """Asked for by name, it is a failure."""
        made = conversion(TORCH_EXPORT)
        (finding,) = run(made.case, [TORCH_EXPORT], only=["no-private-paths"])
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith("its metadata has ")

    def test_stripped(self, tmp_path, monkeypatch):
        """The line of the advice strips them, and leaves the file right."""
        made = conversion(TORCH_EXPORT)
        monkeypatch.chdir(tmp_path)
        onnx.save(onnx.load(made.file.path), "model.onnx")
        line = re.search("`(.*)`", judge(no_private_paths, made).advice)[1]
        subprocess.run([sys.executable, *shlex.split(line)[1:]], check=True)
        findings = run(made.case, only=["no-private-paths", "same-values"], file="shipped.onnx")
        assert [finding.verdict for finding in findings] == [CheckVerdict.HOLDS] * 2


def test_torchscript():
    """Scoped names look like paths, and are none."""
    made = conversion(TORCHSCRIPT)
    assert judge(self_contained, made).figure == "runs alone"
    assert judge(no_private_paths, made).figure == "no path"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('File "/home/me/my models/net.py", line 3, in forward', id="quoted"),
        pytest.param("/home/me/net.py(3): forward", id="torchscript"),
        pytest.param('File "C:\\Users\\me\\net.py", line 3', id="windows"),
        pytest.param("made of C:/Users/me/net.py", id="plain-windows"),
    ],
)
def test_kinds(text):
    """A path of any system, in metadata or in a doc string."""
    in_metadata = planted(lambda model: model.metadata_props.add(key="source", value=text))
    in_doc_string = planted(lambda model: setattr(model.graph.node[0], "doc_string", text))
    for made in (in_metadata, in_doc_string):
        assert judge(no_private_paths, made).verdict == CheckVerdict.FAILS
        assert judge(self_contained, made).figure == NOTE


@pytest.mark.parametrize(
    "text", ["https://example.org/a/b.html", "layers/0/conv.weight", "/layers/layers.0/Conv", "1/2"]
)
def test_no_path(text):
    """Addresses, relative paths and names of nodes are none."""
    assert private_paths(onnx.load(planted(lambda m: m.metadata_props.add(key="a", value=text)).file.path)) == []
