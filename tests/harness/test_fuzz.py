"""Whatever is compared or read, the result is a verdict or the module's own error.

The suite has the same few examples in every run. To run 15,000 others of each:

    pytest tests/harness/test_fuzz.py --hypothesis-profile fuzz -n 2
"""

import contextlib
import dataclasses
import json

import cv2
import ml_dtypes
import numpy as np
import onnx
from google.protobuf.message import DecodeError
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from onnx.parser import parse_model

from onnxproof.graph.diff import graph_differences
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import GraphError, external_files, load_model
from onnxproof.parity.compare import Reference, compare
from onnxproof.parity.pixels import compare_pictures
from onnxproof.report.page import page
from onnxproof.report.pictures import PictureError, decode
from onnxproof.report.runs import read_runs
from onnxproof.results import Parity, Results, ResultsError, read_results
from tests.harness.runs import RESULTS
from tests.harness.test_graph import EXAMPLE
from tests.harness.test_report import Markup
from tests.harness.test_results import CHECKED, COMPARISON, EMPTY

FLOATS = ("float16", "float32", "float64", "bfloat16")
OTHERS = ("bool", "int8", "uint8", "int16", "int32", "int64", "uint64")
SHAPES = stn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def outputs(draw, dtypes=FLOATS + OTHERS, *, finite=False):
    """An engine's output, of any shape and dtype."""
    name = draw(st.sampled_from(dtypes))
    drawn = np.dtype("float32") if name == "bfloat16" else np.dtype(name)
    elements = {"allow_nan": False, "allow_infinity": False} if finite and drawn.kind == "f" else None
    array = draw(stn.arrays(drawn, draw(SHAPES), elements=elements))
    if name == "bfloat16":
        with np.errstate(over="ignore"):
            array = array.astype(ml_dtypes.bfloat16)
    assume(not finite or np.isfinite(array.astype(np.float64)).all())
    return array


@st.composite
def references(draw, values):
    """A reference for `values`: without an exact output, or with any that float64 could have."""
    exact = draw(
        st.none()
        | stn.arrays(np.float64, values.shape)
        | stn.arrays(np.float64, values.shape, elements=st.floats(-1, 1)).map(lambda by: values.astype(np.float64) + by)
        | stn.arrays(np.float64, SHAPES)
    )
    return Reference({"y": values}, None if exact is None else {"y": exact})


def compared(actual, reference) -> Parity:
    (parity,) = compare({"y": actual}, reference, "case")
    return parity


class TestParity:
    """Any two outputs can be compared."""

    @given(data=st.data(), values=outputs())
    def test_itself(self, data, values):
        """An output is the same as itself, whatever it is judged by."""
        parity = compared(values, data.draw(references(values)))
        assert (parity.problem, parity.difference) == ("", 0)

    @given(data=st.data(), values=outputs(FLOATS, finite=True))
    def test_beyond_the_bound(self, data, values):
        """An output with one value beyond the bound is not the same."""
        assume(values.size)
        reference = data.draw(references(values))
        exact = values if reference.exact is None else reference.exact["y"]
        assume(exact.shape == values.shape)
        index = data.draw(st.integers(0, values.size - 1))
        own_parity, other = compared(values, reference), values.copy()
        bound = own_parity.bound
        assume(np.isfinite(bound) and not own_parity.unjudged)
        centre, own = float(exact.flat[index]), float(values.flat[index])
        largest = float(np.nanmax(np.abs(values), initial=0, where=np.isfinite(values)))
        with np.errstate(over="ignore"):
            other.flat[index] = max(centre, own, key=abs) + np.copysign(8 * bound + 2 * largest + 1, centre or 1)
        assume(np.isfinite(float(other.flat[index])))
        assert compared(other, reference).problem

    @given(data=st.data(), values=outputs(OTHERS))
    def test_exact(self, data, values):
        """Integers and booleans are the same only if all are equal."""
        other = data.draw(stn.arrays(values.dtype, values.shape))
        assert compared(other, Reference({"y": values})).same == np.array_equal(other, values)

    @given(data=st.data(), values=outputs(), other=outputs())
    def test_any_two(self, data, values, other):
        """Any two outputs have a verdict; those of another dtype, shape or set of finite values differ."""
        parity = compared(other, data.draw(references(values)))
        alike = other.dtype == values.dtype and other.shape == values.shape
        if not alike or not np.array_equal(np.isfinite(other.astype(float)), np.isfinite(values.astype(float))):
            assert parity.problem

    @given(data=st.data(), first=stn.arrays(np.uint8, st.just((2, 3, 3))), same=st.booleans())
    def test_pictures(self, data, first, same):
        """Every value of a picture that differs is counted once, at an edge or as wrong."""
        second = data.draw(stn.arrays(np.uint8, first.shape))
        floats = tuple(
            data.draw(stn.arrays(np.float32, (1, 3, 2, 3), elements=st.floats(0, 255, width=32))) for _ in "ab"
        )
        pixels = compare_pictures((first, second), floats, Parity("case", "y", "" if same else "differs"))
        assert pixels.values == first.size
        assert pixels.edges + pixels.wrong == np.count_nonzero(first != second)
        assert same or not pixels.edges


SUBGRAPH = """
<ir_version: 8, opset_import: ["": 18]>
choose (float[2] x, bool flag) => (float[2] y) <float[2] w = {0, 0}> {
    y = If (flag) <
        then_branch = then () => (float[2] sum) { sum = Add (x, w) },
        else_branch = otherwise () => (float[2] held) { held = Constant <value_floats = [1.0, 2.0]> () }
    >
}
"""


def with_external_data() -> bytes:
    """A model whose constant lies in another file."""
    model = parse_model(SUBGRAPH)
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2]))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "data", "offset": "0", "length": "8"}.items():
        tensor.external_data.add(key=key, value=value)
    return model.SerializeToString()


MODELS = (parse_model(EXAMPLE).SerializeToString(), parse_model(SUBGRAPH).SerializeToString(), with_external_data())


@st.composite
def damaged(draw, contents):
    """A file's content, overwritten, cut, grown or repeated at a few places."""
    data = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 6))
        data[start:end] = draw(st.binary(max_size=6) | st.just(bytes(data[start : start + 40])))
    return bytes(data)


class TestGraph:
    """Any file is read as a graph, or refused by name."""

    @given(content=damaged(MODELS) | st.binary(max_size=200))
    def test_reading(self, tmp_path_factory, content):
        """It is read in three ways, or refused by name."""
        path = tmp_path_factory.getbasetemp() / "fuzz.onnx"
        path.with_name("data").write_bytes(bytes(8))
        path.write_bytes(content)
        problem = f"{path}: none"
        try:
            load_model(path)
            read_graph(path)
            external_files(path)
        except GraphError as error:
            problem = str(error)
        assert problem.startswith(f"{path}: ")

    @given(first=damaged(MODELS), second=damaged(MODELS))
    def test_comparing(self, first, second):
        """A graph that can be compared is the same as itself, and the order of two does not matter."""
        with contextlib.suppress(GraphError, DecodeError):
            models = [onnx.ModelProto.FromString(content) for content in (first, second)]
            assert graph_differences(models[0], models[0]) == ()
            assert bool(graph_differences(*models)) == bool(graph_differences(*reversed(models)))


GRAPH = {
    "file": "net.onnx",
    "target": "",
    "opset": 18,
    "inputs": [{"name": "x", "shape": "1", "folded": False}],
    "outputs": ["y"],
    "nodes": [{"op_type": "Neg", "inputs": ["x"], "roles": ["X"], "outputs": ["y"], "attributes": {}}],
    "constants": {"w": "1"},
}
RUN = EMPTY | {"comparisons": [COMPARISON], "findings": [CHECKED], "graphs": [GRAPH]}
WHOLE_RUN = dataclasses.asdict(RESULTS)
PNGS = [cv2.imencode(".png", np.arange(192, dtype=np.uint8).reshape(8, 8, 3))[1].tobytes()]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
KINDS = {
    str: st.text() | st.sampled_from(["<script>alert(1)</script>", '"><img src=x>', "{{ 7 * 7 }}"]),
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(),
}


@st.composite
def changed(draw, value):
    """A JSON value in which one part, at any depth, is missing or replaced, mostly by its own kind."""
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 4)) == 0:
        return draw(KINDS.get(type(value), JSON) | JSON)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, copy = draw(st.sampled_from(keys)), value.copy()
    if draw(st.integers(0, 9)) == 0:
        del copy[key]
    else:
        copy[key] = draw(changed(value[key]))
    return copy


class TestResults:
    """Any file is read as the results of a run, or refused by name; so is any picture."""

    @given(content=changed(RUN).map(lambda run: json.dumps(run).encode()) | damaged([json.dumps(RUN).encode()]))
    def test_reading(self, tmp_path_factory, content):
        """Results have their types, and stay the same when they are written and read again."""
        path = tmp_path_factory.getbasetemp() / "fuzz.json"
        path.write_bytes(content)
        problem = f"{path}: none"
        try:
            results = read_results(path)
        except ResultsError as error:
            problem = str(error)
        else:
            assert isinstance(results, Results)
            path.write_text(json.dumps(dataclasses.asdict(results)))
            assert repr(read_results(path)) == repr(results)
        assert problem.startswith(f"{path}: ")

    @given(names=st.lists(st.sampled_from(["", "py", "py (2)", "py (3)", "torch ?"]) | st.text(max_size=9), max_size=6))
    def test_merging(self, tmp_path_factory, names):
        """Runs that are read together keep their order, and have different labels."""
        paths = [tmp_path_factory.getbasetemp() / f"fuzz-{number}.json" for number in range(len(names))]
        for path, name in zip(paths, names, strict=True):
            path.write_text(json.dumps(RUN | {"name": name}))
        runs = read_runs(paths)
        assert [run.results.name for run in runs] == names
        assert len({run.label for run in runs}) == len(names)

    @given(contents=st.lists(changed(WHOLE_RUN), min_size=1, max_size=4))
    def test_page(self, tmp_path_factory, contents):
        """Runs that can be read make one page, which has only its own scripts."""
        runs = []
        path = tmp_path_factory.getbasetemp() / "fuzz.json"
        for content in contents:
            path.write_text(json.dumps(content))
            with contextlib.suppress(ResultsError):
                runs += read_runs([path])
        assume(runs)
        markup = Markup(page(runs))
        has_graph = any(run.results.graphs for run in runs)
        assert markup.elements.count(("script",)) == (4 if has_graph else 1)  # those with a type hold data
        assert markup.text.count(path.name) >= len(runs)

    @given(content=damaged(PNGS))
    def test_picture(self, content):
        """A damaged picture is read, or refused."""
        with contextlib.suppress(PictureError):
            assert decode(content).pixels.shape[2] == 3
