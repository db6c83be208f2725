"""The reference evaluator, with this package's operators, has ONNX Runtime's values."""

import tracemalloc

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.helper import (
    make_graph,
    make_model,
    make_node,
    make_opsetid,
    make_tensor_value_info,
    np_dtype_to_tensor_dtype,
)
from onnx.parser import parse_model

from onnxproof.engines import pictures
from onnxproof.engines.reference import evaluator, of_model

DRAW = np.random.default_rng(20260214)


def floats(*shape):
    return DRAW.random(shape, np.float32)


def recurrent(gates):
    """Three sequences of up to seven steps, the weights and biases of five units in both directions, and lengths."""
    return [floats(7, 3, 4), *(floats(2, 5 * gates, size) for size in (4, 5)), floats(2, 10 * gates), LENGTHS]


def run(inputs, operator, opset, **attributes):
    """The value of one node, in the reference evaluator and in ONNX Runtime."""
    names = [f"input{index}" for index in range(len(inputs))]
    declared = [
        make_tensor_value_info(name, np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in zip(names, inputs, strict=True)
    ]
    node = make_node(operator, names, ["output"], **attributes)
    graph = make_graph([node], "node", declared, [make_tensor_value_info("output", onnx.TensorProto.FLOAT, None)])
    model = make_model(graph, opset_imports=[make_opsetid("", opset)], ir_version=8)
    feeds = dict(zip(names, inputs, strict=True))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return evaluator(model).run(None, feeds)[0], session.run(None, feeds)[0]


IMAGES, GRID = floats(2, 4, 9, 11), 2.2 * floats(2, 5, 6, 2) - 1.1
NORM = [IMAGES, *(floats(4) + 0.5 for _ in range(4))]
TABLE, FEW = floats(70, 3), DRAW.integers(-70, 70, (5, 2))
CLASSES = DRAW.integers(0, 3, 70)
TWO = np.array(2, np.float32)
INTEGERS = DRAW.integers(-128, 128, (5, 4, 3), np.int8)
LENGTHS, BOTH_WAYS = np.array([7, 2, 5], np.int32), {"direction": "bidirectional", "hidden_size": 5}
POOL = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


@pytest.mark.parametrize(
    ("inputs", "operator", "opset", "attributes"),
    [
        pytest.param([IMAGES], "Pad", 2, {"pads": [0, 0, 1, -2, 0, 1, -3, 4], "value": 0.5}, id="pad-attribute"),
        pytest.param([IMAGES, np.array([0, -1, 1, -2, 0, 0, -3, 4]), TWO], "Pad", 11, {}, id="pad-constant"),
        pytest.param([IMAGES, np.array([0, 0, 3, -2, 0, 0, -1, 4])], "Pad", 13, {"mode": "reflect"}, id="pad-reflect"),
        pytest.param([IMAGES, np.array([0, 0, 3, 2, 0, 0, 1, 4])], "Pad", 13, {"mode": "edge"}, id="pad-edge"),
        pytest.param(NORM, "BatchNormalization", 9, {"momentum": 0.9}, id="norm-momentum"),
        pytest.param(NORM, "BatchNormalization", 15, {"momentum": 0.9}, id="norm"),
        pytest.param([400 * TABLE], "LogSoftmax", 13, {}, id="log-softmax"),
        pytest.param([400 * IMAGES], "LogSoftmax", 11, {"axis": 3}, id="log-softmax-of-images"),
        pytest.param([400 * IMAGES], "LogSoftmax", 13, {"axis": 1}, id="log-softmax-of-channels"),
        pytest.param([400 * TABLE, CLASSES], "SoftmaxCrossEntropyLoss", 13, {}, id="cross-entropy"),
        pytest.param(
            [400 * TABLE, CLASSES, floats(3)],
            "SoftmaxCrossEntropyLoss",
            13,
            {"ignore_index": 1, "reduction": "sum"},
            id="cross-entropy-weighted",
        ),
        pytest.param([INTEGERS, TWO, np.array(3, np.int8)], "DequantizeLinear", 10, {}, id="dequantize-one"),
        pytest.param(
            [INTEGERS, floats(4), DRAW.integers(-9, 9, 4, np.int8)], "DequantizeLinear", 13, {}, id="dequantize"
        ),
        pytest.param([INTEGERS, floats(3)], "DequantizeLinear", 17, {"axis": -1}, id="dequantize-last"),
        pytest.param([INTEGERS, floats(5)], "DequantizeLinear", 19, {"axis": 0}, id="dequantize-first"),
        pytest.param([TABLE, FEW], "GatherElements", 13, {"axis": 0}, id="gather-many"),
        pytest.param([TABLE.T.copy(), FEW.T % 3], "GatherElements", 13, {"axis": -2}, id="gather-last-but-one"),
        pytest.param([IMAGES, GRID], "GridSample", 16, {"mode": "bilinear"}, id="grid-bilinear"),
        pytest.param([IMAGES, GRID], "GridSample", 16, {"mode": "nearest"}, id="grid-nearest"),
        pytest.param(
            [IMAGES, 1.5 * GRID], "GridSample", 16, {"mode": "bicubic", "padding_mode": "border"}, id="grid-border"
        ),
        pytest.param([IMAGES], "MaxPool", 12, POOL | {"ceil_mode": 1}, id="pool-ceil"),
        pytest.param([IMAGES], "MaxPool", 12, POOL | {"ceil_mode": 1, "strides": [2, 3]}, id="pool-ceil-strides"),
        pytest.param([IMAGES], "MaxPool", 12, POOL | {"strides": [2, 3]}, id="pool-floor"),
        pytest.param([IMAGES], "MaxPool", 12, POOL | {"dilations": [2, 1]}, id="pool-dilated"),
        pytest.param([IMAGES], "MaxPool", 12, {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, id="pool-same"),
        pytest.param([IMAGES, floats(6, 4, 3, 3)], "Conv", 11, {"dilations": [2, 3]}, id="conv"),
        pytest.param([*recurrent(4), floats(2, 3, 5), floats(2, 3, 5)], "LSTM", 14, BOTH_WAYS, id="lstm-lengths"),
        pytest.param([*recurrent(3), floats(2, 3, 5)], "GRU", 14, BOTH_WAYS, id="gru-lengths"),
        pytest.param(recurrent(1), "RNN", 14, BOTH_WAYS, id="rnn-lengths"),
        pytest.param([IMAGES], "Split", 11, {"axis": 1, "split": [4]}, id="split-attribute"),
        pytest.param([IMAGES, np.array([11])], "Split", 13, {"axis": -1}, id="split"),
        pytest.param([IMAGES], "Split", 18, {"num_outputs": 1}, id="split-evenly"),
        pytest.param([floats(2, 5, 3), floats(3, 7)], "MatMul", 13, {}, id="matmul"),
        pytest.param([floats(3), floats(3)], "MatMul", 13, {}, id="matmul-vectors"),
        pytest.param([floats(5, 3), floats(3, 7)], "Gemm", 13, {}, id="gemm"),
        pytest.param([floats(5, 3), floats(7, 3), floats(7)], "Gemm", 9, {"transB": 1}, id="gemm-bias"),
        pytest.param(
            [floats(3, 5), floats(3, 7), floats(5, 1)],
            "Gemm",
            13,
            {"transA": 1, "alpha": 2.0, "beta": 0.5},
            id="gemm-all",
        ),
        pytest.param(
            [IMAGES, floats(6, 2, 3, 3), floats(6)], "Conv", 11, {"dilations": [2, 2], "group": 2}, id="groups"
        ),
        pytest.param(
            [IMAGES, floats(6, 4, 3, 3)],
            "Conv",
            11,
            {"dilations": [7, 7], "pads": [7, 6, 7, 8], "strides": [2, 1]},
            id="conv-pads-strides",
        ),
        pytest.param([IMAGES, floats(4, 3, 3, 2)], "ConvTranspose", 11, {}, id="transposed"),
        pytest.param(
            [IMAGES, floats(4, 3, 3, 2), floats(6)],
            "ConvTranspose",
            11,
            {"strides": [2, 3], "pads": [1, 0, 1, 1], "output_padding": [1, 2], "group": 2},
            id="transposed-strides",
        ),
        pytest.param([IMAGES, floats(4, 3, 3, 2)], "ConvTranspose", 11, {"dilations": [2, 3]}, id="transposed-dilated"),
        pytest.param([floats(2, 4, 20), floats(6, 4, 3)], "Conv", 11, {"dilations": [4]}, id="conv-1d"),
    ],
)
def test_value(inputs, operator, opset, attributes):
    """Each operator that onnx's own evaluator gets wrong or refuses, and its usual forms."""
    ours, theirs = run(inputs, operator, opset, **attributes)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        pytest.param("MatMul", [floats(3, 40), floats(40, 5)], id="matmul"),
        pytest.param("Gemm", [floats(3, 40), floats(40, 5), floats(5)], id="gemm"),
        pytest.param("Conv", [IMAGES, floats(6, 4, 3, 3)], id="conv"),
    ],
)
def test_narrow(operator, inputs):
    """A product in float16 is that of float32, rounded once."""
    narrow = [each.astype(np.float16) for each in inputs]
    names = [f"input{index}" for index in range(len(inputs))]
    declared = [onnx.ValueInfoProto(name=name) for name in names]
    node = make_node(operator, names, ["output"])
    graph = make_graph([node], "node", declared, [onnx.ValueInfoProto(name="output")])
    model = evaluator(make_model(graph, opset_imports=[make_opsetid("", 13)], ir_version=8))
    found, wide = (
        model.run(None, dict(zip(names, values, strict=True)))[0]
        for values in (narrow, [each.astype(np.float32) for each in narrow])
    )
    assert found.dtype == np.float16
    assert np.array_equal(found, wide.astype(np.float16))


@pytest.mark.parametrize("last", [1, 3])
def test_split_refused(last):
    """Sizes that do not add up are refused, as by ONNX Runtime."""
    text = f"""
    <ir_version: 8, opset_import: ["": 13]>
    g (float[5] x) => (float[n] a, float[m] b) <int64[2] sizes = {{3, {last}}}> {{ a, b = Split (x, sizes) }}
    """
    with pytest.raises(ValueError, match="do not add up to 5"):
        evaluator(parse_model(text)).run(None, {"x": floats(5)})


@pytest.mark.parametrize("block", [1, 500, 5000])
@pytest.mark.parametrize(
    "attributes", [{"pads": [1, 0, 2, 1]}, {"strides": [2, 3], "group": 2}], ids=["pads", "groups"]
)
def test_in_parts(monkeypatch, block, attributes):
    """A convolution of one row, of some rows or of some pictures at a time is the same."""
    monkeypatch.setattr(pictures, "BLOCK", block)
    ours, theirs = run(
        [floats(3, 4, 9, 11), floats(6, 4 // attributes.get("group", 1), 3, 3)], "Conv", 11, **attributes
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


class TestSession:
    """A run of the evaluator."""

    CHAIN = '<ir_version: 8, opset_import: ["": 17]> g (float[n] x) => (float[n] y) {{ {} y = Neg (a{}) }}'

    def test_memory(self):
        """A value is there until its last use."""
        body = "a0 = Neg (x) " + " ".join(f"a{i + 1} = Neg (a{i})" for i in range(20))
        session, x = of_model(parse_model(self.CHAIN.format(body, 20))), np.ones(2**18, np.float32)
        tracemalloc.start()
        found = session.run({"x": x})["y"]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert np.array_equal(found, x)
        assert peak < 4 * x.nbytes

    @pytest.mark.parametrize("body", ["a, mask = Dropout (x) a0 = Neg (a)", "a0, a1 = Split <axis = 0> (x)"])
    def test_unused(self, body):
        """So is one that nothing takes, and an output that another node takes as well."""
        x = np.arange(4, dtype=np.float32)
        model = parse_model(self.CHAIN.format(body, 0))
        model.graph.output.append(onnx.ValueInfoProto(name="a0"))
        found = of_model(model).run({"x": x})
        assert np.array_equal(found["y"], -found["a0"])

    def test_body(self):
        """The body of a node may take any value."""
        branch = "branch = {} () => (float[n] {}) {{ {} = Mul (a0, x) }}"
        bodies = ", ".join(f"{name}_{branch.format(name[0], name, name)}" for name in ("then", "else"))
        body = (
            f"a0 = Neg (x) test = Constant <value_ints = [1]> () bool = Cast <to = 9> (test) a1 = If (bool) <{bodies}>"
        )
        x = np.arange(4, dtype=np.float32)
        assert np.array_equal(of_model(parse_model(self.CHAIN.format(body, 1))).run({"x": x})["y"], x * x)
