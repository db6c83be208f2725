"""Inputs for a file without an example: what it declares, within the ranges that its graph tells."""

import numpy as np
import pytest
from onnx.parser import parse_model

from onnxproof.case import CaseError
from onnxproof.graph.ranges import index_limits
from onnxproof.probing.drawn import drawn_inputs
from tests.harness.two_files import BEFORE, write


def head(signature: str, body: str, constants: str = "") -> str:
    return f'<ir_version: 8, opset_import: ["": 17]>\ng {signature} {constants} {{ {body} }}'


@pytest.fixture
def drawn(tmp_path):
    """Draws inputs for a model that is given as text."""

    def draw(text, edit=lambda model: None, **sizes):
        return drawn_inputs(write(tmp_path / "model.onnx", text, edit), sizes)

    return draw


class TestDrawn:
    """Inputs are drawn with a fixed seed."""

    def test_declared(self, drawn):
        """They have the declared names, dtypes and shapes; free sizes differ by name, and are the same by one name."""
        found = drawn(BEFORE)
        assert {name: (array.dtype.name, array.shape) for name, array in found.items()} == {
            "image": ("float32", (2, 3, 64, 96)),
            "label": ("int64", (2,)),
        }
        assert len(np.unique(found["image"])) > 1000

    def test_seed(self, drawn):
        """Two draws are equal."""
        for one, other in zip(drawn(BEFORE).values(), drawn(BEFORE).values(), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_sizes(self, drawn):
        """A size that is given is taken."""
        assert drawn(BEFORE, height=7, batch=1)["image"].shape == (1, 3, 7, 96)

    def test_unnamed(self, drawn):
        """A dimension without a name has a size, too."""
        text = head("(float[n, 4] x) => (float[m, 4] y)", "y = Neg (x)")
        found = drawn(text, lambda model: model.graph.input[0].type.tensor_type.shape.dim[0].Clear())
        assert found["x"].shape == (2, 4)

    def test_expression(self, drawn):
        """One that is written as a sum of others has their sum."""
        body = "xy = Concat <axis = 0> (x, y) w = Add (xy, z)"
        text = head("(float[a] x, float[b] y, float[c] z) => (float[d] w)", body)

        def as_sum(model) -> None:
            model.graph.input[2].type.tensor_type.shape.dim[0].dim_param = "a + b"

        assert drawn(text, as_sum)["z"].shape == (5,)

    def test_same_sizes(self, drawn):
        """Where the file takes no sizes that differ, equal ones are drawn."""
        found = drawn(head("(float[n, a] x, float[n, b] y) => (float[n, c] z)", "z = Add (x, y)"))
        assert found["x"].shape == found["y"].shape == (2, 12)

    @pytest.mark.parametrize(
        ("dtype", "ends"),
        [
            ("uint8", (0, 255)),
            ("int8", (-128, 127)),
            ("int16", (-32754, 32754)),
            ("int32", (1, 1)),
            ("int64", (1, 1)),
        ],
    )
    def test_integers(self, drawn, dtype, ends):
        """Those of a picture or of sound have any value, and those that may be a mask are ones."""
        found = drawn(head(f"({dtype}[n, 3, 40, 50] x) => (float[n, 3, 40, 50] y)", "y = Cast <to = 1> (x)"))["x"]
        assert (found.dtype.name, found.min() <= ends[0], found.max() >= ends[1]) == (dtype, True, True)

    @pytest.mark.parametrize(
        ("body", "is_number"),
        [
            pytest.param("a = Cast <to = 1> (x) y = Mul (a, tenth)", True, id="scaled"),
            pytest.param("a = Cast <to = 1> (x) b = Expand (a, shape) y = MatMul (b, tenths)", True, id="rotary"),
            pytest.param(
                "s = Shape (x) n = Squeeze (s) r = Range (nil, n, one) b = Less (r, x) y = Cast <to = 1> (b)",
                True,
                id="length",
            ),
            pytest.param("a = Sub (x, one) y = Cast <to = 1> (a)", False, id="inverted"),
            pytest.param("a = Cast <to = 1> (x) b = Mul (a, tenth) c = Mul (a, z) y = Add (b, c)", False, id="masking"),
            pytest.param("a = Cast <to = 9> (x) b = Not (a) y = Cast <to = 1> (b)", False, id="bool"),
            pytest.param("b = Greater (x, nil) y = Cast <to = 1> (b)", False, id="above-0"),
            pytest.param("y = Cast <to = 1> (x)", False, id="unknown"),
        ],
    )
    def test_numbers(self, drawn, body, is_number):
        """Those that a file computes with are other numbers than 1, and those that may be a mask are not."""
        constants = (
            "<float tenth = {0.1}, float[12, 1] tenths = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, int64 one = {1}, "
            "int64 nil = {0}, int64[1] shape = {12}>"
        )
        found = drawn(head("(int64[12] x, float[12] z) => (float[m] y)", body, constants))["x"]
        assert (len(np.unique(found)) > 3) == is_number
        assert 1 <= found.min() <= found.max() <= 12

    def test_refused_numbers(self, drawn):
        """Where the file refuses those, they are 1, too."""
        body = "a = Cast <to = 1> (x) y = Mul (a, tenth) t = GatherND (table, x)"
        text = head("(int64[1] x) => (float[m] y, float[k] t)", body, "<float tenth = {0.1}, float[2] table = {1, 2}>")
        assert drawn(text)["x"].tolist() == [1]

    def test_positive(self, drawn):
        """Where outputs are not finite, positive values are drawn."""
        assert drawn(head("(float[n, 4] x) => (float[n, 4] y)", "y = Log (x)"))["x"].min() > 0

    def test_no_kernel(self, drawn):
        """A file that does not load has no inputs to give."""
        text = head("(bfloat16[n, 4] x, bfloat16[4, 3] w) => (bfloat16[n, 3] y)", "y = MatMul (x, w)")
        with pytest.raises(CaseError, match=r"model\.onnx does not load, whatever its inputs: .*") as caught:
            drawn(text)
        assert "--inputs" not in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                head("(float[n, 4] x) => (float[m, 5] y)", "y = Reshape (x, s)", "<int64[2] s = {7, 5}>"),
                r"takes none of the inputs that were drawn: .*; its free dimensions are n: name sizes .*--inputs",
            ),
            (head("(string[2] x) => (int64[1] y)", "y = Shape (x)"), "the input x is string; give an example"),
            (head("(float[99999, 99999] x) => (float[a, b] y)", "y = Neg (x)"), "x has more than .* values; give an"),
        ],
        ids=["refused", "string", "huge"],
    )
    def test_refused(self, drawn, text, message):
        """What cannot be drawn says what to give."""
        with pytest.raises(CaseError, match=message):
            drawn(text)


class TestLimits:
    """An index is below the size of what it indexes."""

    @pytest.mark.parametrize(
        ("body", "limit"),
        [
            ("y = Gather (table, x)", [6]),
            ("y = Gather <axis = 1> (table, x)", [4]),
            ("y = Gather <axis = -1> (table, x)", [4]),
            ("a = Cast <to = 6> (x) b = Unsqueeze (a, one) y = Gather (table, b)", [6]),
            ("y = Gather (free, x)", ["rows"]),
            ("y = OneHot (x, depth, values)", [3]),
            ("y = GatherElements (table, x)", [6]),
            ("a = Gather (table, x) b = Gather <axis = 1> (table, x) y = Concat <axis = 0> (a, b)", [4, 6]),
        ],
    )
    def test_limit(self, body, limit):
        """The graph tells it, also through a Cast or a reshape."""
        values = ", ".join(["1"] * 24)
        text = head(
            "(int64[n] x, float[rows, 2] free) => (float[m] y)",
            body,
            f"<float[6, 4] table = {{{values}}}, int64 one = {{1}}, int64 depth = {{3}}, float[2] values = {{0, 1}}>",
        )
        assert sorted(index_limits(parse_model(text))["x"], key=str) == limit

    def test_none(self):
        """A mask has none, and is drawn as ones."""
        text = head("(int64[n] x) => (float[n] y)", "y = Cast <to = 1> (x)")
        assert index_limits(parse_model(text)) == {}
