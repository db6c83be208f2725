"""A node has the path of the torch module that it was exported from, whichever exporter wrote the file."""

import numpy as np
import onnx
import pytest
from onnx import helper
from torch import nn

from onnxproof.exporting.export import export
from onnxproof.graph.modules import module_of
from onnxproof.versions import EXPORTERS, default_opset
from tests import facts

SCOPES = "pkg.torch.onnx.name_scopes"


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def forward(self, x):
        return self.inner(x).exp()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])

    def forward(self, x):
        return self.blocks[1](self.blocks[0](x)).cos()


def node(name="", **metadata):
    found = helper.make_node("Relu", ["x"], ["y"], name=name)
    for key, value in metadata.items():
        found.metadata_props.add(key=SCOPES if key == "scopes" else key, value=value)
    return found


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_exported(tmp_path, exporter):
    """The paths are those of `named_modules`."""
    example = {"x": np.zeros((2, 4), np.float32)}
    export(Net().eval(), example, tmp_path / "net.onnx", exporter=exporter, opset=default_opset(exporter))
    found = {each.op_type: module_of(each) for each in onnx.load(tmp_path / "net.onnx").graph.node}
    assert {name: found[name] for name in ("Tanh", "Exp", "Cos")} == {
        "Tanh": "blocks.1.inner.1",
        "Exp": "blocks.1",
        "Cos": "",
    }


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("/Relu", "", id="top"),
        pytest.param("/layer1/layer1.0/conv/Relu", "layer1.0.conv", id="container"),
        pytest.param("/layer1/layer10/Relu", "layer1.layer10", id="prefix"),
        pytest.param("/act_1/Relu", "act_1", id="second-call"),
        pytest.param("Relu_3", "", id="no-scope"),
        pytest.param("a/b/Relu", "", id="other-writer"),
        pytest.param("/", "", id="slash"),
        pytest.param("", "", id="no-name"),
    ],
)
def test_name(name, path):
    """torchscript's names have the scopes."""
    assert module_of(node(name)) == path


@pytest.mark.skipif(not facts.onnx_nodes_have_metadata, reason="this onnx has no metadata of nodes")
@pytest.mark.parametrize(
    ("scopes", "path"),
    [
        ("['', 'blocks.0', 'blocks.0.inner', 'tanh']", "blocks.0.inner"),
        ("['', 'cos']", ""),
        ("['cos']", ""),
        ("[", ""),
        ("{'a': 1}", ""),
        ("(" * 500, ""),
        ("__import__('os').getcwd()", ""),
    ],
)
def test_metadata(scopes, path):
    """torch.export's metadata is read before names, and only as a list of texts."""
    assert module_of(node("/other/Relu", scopes=scopes)) == path
