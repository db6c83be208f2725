"""`onnxproof init` writes a case that `onnxproof check` takes, or says in it what is to be filled in."""

import ast
import errno
import os
import shlex
import sys
from pathlib import Path

import onnx
import pytest
from onnx.parser import parse_model

from onnxproof.cli import init, main

MODULES = {
    "picture": """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(x)

class Net(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.block, self.head = Block(), nn.Conv2d(3, classes, 1)

    def forward(self, image, upside_down=False):
        return self.head(self.block(image).flip(2) if upside_down else self.block(image))

def Block2():
    return Block()
""",
    "words": """
print("hello")

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 8), nn.Linear(8, 3)

    def forward(self, input_ids, *, attention_mask):
        return {"logits": self.head(self.embed(input_ids) * attention_mask[..., None]) * 2}
""",
    "made": "network = nn.Sequential(nn.LayerNorm(4), nn.GRU(4, 8, batch_first=True))",
    "scaled": """
class Scaled(nn.Module):
    def forward(self, x, factor):
        return x * factor.item()
""",
    "sized": """
class Sized(nn.Module):
    def __init__(self, width, depth=2):
        super().__init__()
        self.layer = nn.Linear(width, depth)

    def forward(self, x):
        return self.layer(x)
""",
    "nested": """
class Nested(nn.Module):
    def forward(self, x, state):
        return x * state["a"][0]
""",
    "cased": """
import numpy as np
from onnxproof import Case
network = nn.ReLU()
my_case = Case(network, {"x": np.ones((2, 3), np.float32)})
""",
    "empty": "from torch.nn import Linear",
    "broken": "import nowhere",
    "a-b": "network = nn.ReLU()",
}

FILE = """
<ir_version: 8, opset_import: ["" : 17]>
double (float[batch, 3, N] x, int32 flag) => (float[batch, 3, N] y) { y = Add (x, x) }
"""

TABLE = """
<ir_version: 8, opset_import: ["" : 17]>
table (int64[batch, length] ids) => (float[batch, length] y)
<float[4] weights = {1, 2, 3, 4}> { y = Gather <axis = 0> (weights, ids) }
"""

SQUARE_ROOT = """
<ir_version: 8, opset_import: ["" : 17]>
root (float[batch, length] x) => (float[batch, length] y) { y = Sqrt (x) }
"""

BFLOAT16 = SQUARE_ROOT.replace("float[", "bfloat16[").replace("Sqrt", "Identity")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The current folder, with a module each and an ONNX file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, text in MODULES.items():
        Path(f"{name}.py").write_text(f"import torch\nfrom torch import nn\n{text}")
    onnx.save(parse_model(FILE), "double.onnx")
    yield
    for name in [name for name, module in sys.modules.items() if _is_in(tmp_path, module)]:
        del sys.modules[name]


def _is_in(folder, module):
    return Path(getattr(module, "__file__", None) or "/").is_relative_to(folder)


@pytest.fixture
def start(capfd):
    """Writes a case; returns its text and the command that is printed."""

    def run(*arguments):
        assert main(["init", *arguments]) == 0
        (first, command) = capfd.readouterr().out.splitlines()
        return Path(first.partition(":")[0]).read_text(), shlex.split(command.removeprefix("→ onnxproof "))

    return run


@pytest.fixture
def refusal(capsys):
    """The reason why no case is written."""

    def run(*arguments):
        before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
        assert main(["init", *arguments]) == 2
        assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err.removeprefix("onnxproof: ").rstrip()

    return run


class TestModule:
    """The case of a module has inputs that the model takes."""

    @pytest.mark.parametrize(
        ("source", "model", "inputs", "dynamic"),
        [
            pytest.param(
                "picture.py",
                "Net().eval()",
                ["(2, 3, 64, 64)"],
                '{"image": {0: "batch", 2: "height", 3: "width"}}',
                id="picture",
            ),
            pytest.param("picture.py:Block", "Block().eval()", ["(2, 3, 64, 64)"], '{"x": {0: "batch"', id="named"),
            pytest.param(
                "words.py",
                "Words().eval()",
                ["random.integers(0, 50, (2, 16))", "np.tri(2, 16, 8, dtype=np.int64)"],
                '{"input_ids": {0: "batch", 1: "length"}, "attention_mask": {0: "batch", 1: "length"}}',
                id="ids-and-mask",
            ),
            pytest.param(
                "made", "network.eval()", ["(2, 16, 4)"], '{"input": {0: "batch", 1: "length"}', id="instance"
            ),
        ],
    )
    def test_holds(self, start, source, model, inputs, dynamic):
        """It can be checked as it is: the outermost model, inputs that suit its layers, the sizes that are free."""
        text, command = start(source)
        assert all(part in text for part in (f"    {model},\n", *inputs, f"dynamic={dynamic}"))
        assert text.count("# Fill in: the weights and inputs that you ship") == 1
        asked = ["--only=exports", "--only=same-values-unseen", "--exporter=torchscript"]
        assert main([*command, *asked]) == 0

    def test_number(self, start):
        """A tensor whose number is taken out is a number."""
        text, _ = start("scaled.py")
        assert '"factor": np.array(1.5, np.float32),' in text

    def test_arguments(self, start):
        """The arguments of a class are to be filled in."""
        text, command = start("sized.py")
        assert "Sized(width=...).eval()" in text
        assert "# Fill in: instead of the dots width of Sized, inputs that it takes, and in `dynamic`" in text
        assert main(command) == 2
        filled = text.replace("...", "5").replace("(2, 3, 64, 64)", "(2, 5)")
        Path("sized_case.py").write_text(filled)
        assert main([*command, "--only=exports"]) == 0

    def test_refused(self, start):
        """If no inputs are found, the comment says what the model says."""
        text, _ = start("nested.py")
        assert "# Fill in: inputs that Nested takes (it refuses these: " in text
        assert "dynamic=" not in text

    def test_output(self, start):
        """`-o` names the file."""
        _, command = start("picture.py", "-o", "own.py")
        assert command == ["check", "own.py:case"]

    def test_found_module(self, start):
        """A case can be written for a module that Python finds."""
        text, command = start("picture")
        assert "\nfrom picture import Net\n" in text
        assert command == ["check", "picture_case.py:case"]


class TestFile:
    """The case of an ONNX file has inputs that it takes, and judges it by itself."""

    def test_holds(self, start, capfd):
        """It can be checked as it is, and the last line says what that does not show."""
        text, command = start("double.onnx")
        assert '"x": random.normal(size=(2, 3, 64)).astype("float32"),' in text
        assert '"flag": np.ones((), "int32"),' in text
        assert 'dynamic={"x": {0: "batch", 2: "N"}}' in text
        assert main(command) == 0
        *_, last = capfd.readouterr().out.splitlines()
        assert last == "double.onnx was judged by itself, not by the model that it was made from."

    def test_fails(self, start, capfd):
        """A file that declares a size that its output does not have fails."""
        onnx.save(parse_model(FILE.replace("N] y", "7] y")), "double.onnx")
        _, command = start("double.onnx")
        assert main(command) == 1
        assert "double.onnx-double.onnx: shapes-honest: " in capfd.readouterr().out

    def test_model(self, start, capfd):
        """The model that it was made from may stand in its place, and judges it."""
        text, command = start("double.onnx")
        assert "by the torch.nn.Module that it was made\n# from, give that in eval mode instead of the path." in text
        for factor, status in ((2, 0), (3, 1)):
            model = MULTIPLE + text.replace('    "double.onnx",', f"    Multiple({factor}).eval(),")
            Path(f"multiple{factor}_case.py").write_text(model)
            own = [command[0], f"multiple{factor}_case.py:case", *command[2:]]
            assert main([*own, "--only=same-values-unseen"]) == status
            assert "by itself" not in capfd.readouterr().out

    @pytest.mark.parametrize(
        ("file", "input"),
        [
            pytest.param(TABLE, 'random.integers(0, 4, (2, 12)).astype("int64")', id="ids"),
            pytest.param(SQUARE_ROOT, 'random.random(size=(2, 12)).astype("float32")', id="positive"),
            pytest.param(BFLOAT16, 'random.normal(size=(2, 12)).astype("bfloat16")', id="bfloat16"),
        ],
    )
    def test_inputs(self, start, file, input):
        """Numbers are below the size of the table that they index, and values in the range that it takes."""
        onnx.save(parse_model(file), "other file.onnx")
        text, command = start("other file.onnx")
        assert input in text
        assert command[:2] == ["check", "other_file_case.py:case"]
        assert main([*command, "--only=inputs-kept"]) == 0

    def test_refused(self, start):
        """If it takes nothing that is drawn, the comment says why, and the command what is to be filled in."""
        onnx.save(
            parse_model(FILE.replace("float[batch, 3, N] x", "string[N] x").replace("Add (x, x)", "Identity (x)")),
            "double.onnx",
        )
        text, command = start("double.onnx")
        assert "# Fill in: x (string N), flag (int32), as the file takes them: the input x is string;" in text
        assert main(command) == 2

    def test_one_size(self, start, capfd):
        """A file that runs at one size alone takes nothing that is drawn, and fails on an example of that size."""
        frozen = "<int64[3] shape = {2, 3, 16}> { z = Reshape (x, shape) y ="
        onnx.save(parse_model(FILE.replace("{ y =", frozen).replace("(x, x)", "(z, x)")), "double.onnx")
        text, command = start("double.onnx")
        assert "# Fill in: x (float32 batch×3×N), flag (int32), as the file takes them: double.onnx takes none" in text
        assert main(command) == 2
        example = text.replace('"x": ...', '"x": random.random((2, 3, 16), np.float32)').replace("...", "1")
        Path("double_case.py").write_text(example)
        assert main([*command, "--only=probes-adequate"]) == 1
        assert "batch" in capfd.readouterr().out

    def test_names(self, start, monkeypatch):
        """Names of the file are texts of the case, whatever they are."""
        model = parse_model(FILE)
        strange = """x', print("ran") or '"""
        model.graph.input[0].name = model.graph.node[0].input[0] = model.graph.node[0].input[1] = strange
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = strange
        onnx.save(model, "strange.onnx")
        text, _ = start("strange.onnx")
        (made,) = [
            node for node in ast.walk(ast.parse(text)) if getattr(getattr(node, "func", None), "id", "") == "Case"
        ]
        inputs, dynamic = made.args[1], ast.literal_eval(made.keywords[0].value)
        assert [key.value for key in inputs.keys] == [strange, "flag"]
        assert dynamic == {strange: {0: strange, 2: "N"}}


MULTIPLE = """
from torch import nn

class Multiple(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x, flag):
        return self.factor * x

"""


class TestRefused:
    """If there is nothing to write, one line says why, and no file changes."""

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            pytest.param("none.py", "none.py: no such file", id="no-file"),
            pytest.param("none.onnx", "none.onnx: no such file", id="no-onnx-file"),
            pytest.param("empty.py", "empty.py has no torch.nn.Module of its own; name the file", id="no-model"),
            pytest.param("picture.py:Nut", "picture.py has no model 'Nut'; it has Block, Net", id="no-such-model"),
            pytest.param("cased.py", "cased.py has a case already: onnxproof check cased.py:my_case", id="has-case"),
            pytest.param("broken.py", "broken.py: no module named 'nowhere'", id="broken"),
            pytest.param("a-b.py", "a-b.py: give the file a name that Python can import", id="name"),
            pytest.param("made.py -o nowhere/x.py", f"nowhere/x.py: {os.strerror(errno.ENOENT)}; name", id="no-folder"),
            pytest.param("made.py -o words.py", "words.py exists, and stays as it is; move it", id="exists"),
        ],
    )
    def test_reason(self, refusal, arguments, reason):
        """The line has what to do."""
        assert refusal(*arguments.split()).startswith(reason)

    def test_full_disk(self, refusal, monkeypatch):
        """A disk that is full leaves no half-written case."""

        def refuse(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(init, "write_whole", refuse)
        assert refusal("made.py").startswith(f"made_case.py: {os.strerror(errno.ENOSPC)}; name a file")
