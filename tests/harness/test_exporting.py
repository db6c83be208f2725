"""An export is whole or not there, says how it was made, and records what the exporter prints."""

import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.parser import parse_model
from torch import nn

from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import Export, ExportError, export
from onnxproof.graph.facts import Value
from onnxproof.graph.load import GraphError, external_files, load_model
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT, torch_export_is_available

INPUTS = {"x": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), "factor": np.full(4, 2, np.float32)}
UNSEEN = {"x": np.linspace(-3, 2, 15, dtype=np.float32).reshape(5, 3), "factor": np.arange(4, dtype=np.float32)}
LARGE_INPUTS = {"x": np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64)}
SAID = ("print", "stderr", "stdout of the process", "stderr of the process", "log of the root", "log of torch", "red")

needs_torch_export = pytest.mark.skipif(not torch_export_is_available, reason="the installed torch has no torch.export")


class Scaled(nn.Module):
    """A layer whose output is scaled by a second input."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x, factor):
        return self.layer(x) * factor


class Loud(Scaled):
    """The same, but it prints on every channel when it is traced."""

    def forward(self, x, factor):
        print("print", "\x1b[31mred\x1b[0m")
        print("stderr", file=sys.stderr)
        os.write(1, b"stdout of the process\n")
        os.write(2, b"stderr of the process\n")
        logging.getLogger().warning("log of the root")
        logging.getLogger("torch.onnx").warning("log of torch")
        warnings.warn("look here", UserWarning, stacklevel=1)
        return super().forward(x, factor)


class Refused(nn.Module):
    """A model that every exporter refuses, with an error of two paragraphs in colour."""

    def forward(self, x):
        raise ArithmeticError("\x1b[31mno\x1b[0m way\nthrough here\n\nA page of advice.")


class NoOutput(nn.Module):
    """A model without outputs."""

    def forward(self, x):
        return ()


class InPlace(nn.Module):
    """A model that changes its input."""

    def forward(self, x):
        return x.add_(1)


@pytest.fixture(scope="module")
def model() -> Scaled:
    torch.manual_seed(0)
    return Scaled().eval()


@pytest.fixture(scope="module")
def large() -> nn.Linear:
    """A layer of 16 KB; very small weights stay in the first file."""
    torch.manual_seed(0)
    return nn.Linear(64, 64).eval()


@pytest.fixture(scope="module")
def loud(model) -> Loud:
    loud = Loud().eval()
    loud.load_state_dict(model.state_dict())
    return loud


@pytest.fixture(scope="module", params=EXPORTERS)
def exported(request, loud, tmp_path_factory) -> Export:
    """The loud layer, with the number of rows free."""
    path = tmp_path_factory.mktemp("exported") / "loud.onnx"
    return export(loud, INPUTS, path, exporter=request.param, opset=18, dynamic={"x": {0: "rows"}}, output_names=["y"])


@pytest.fixture(scope="module", params=EXPORTERS)
def refusal(request, tmp_path_factory) -> tuple[ExportError, Path]:
    """The error of a refused export, and the folder, which had a file of its name."""
    path = tmp_path_factory.mktemp("refused") / "refused.onnx"
    path.write_bytes(b"an earlier export")
    with pytest.raises(ExportError) as refused:
        export(Refused(), {"x": INPUTS["x"]}, path, exporter=request.param, opset=18)
    return refused.value, path.parent


@pytest.fixture(scope="module")
def split_export(large, tmp_path_factory) -> Export:
    """The large layer with its weights in a second file."""
    path = tmp_path_factory.mktemp("split") / "net.onnx"
    return export(large, LARGE_INPUTS, path, exporter=TORCH_EXPORT, opset=18, options={"external_data": True})


class TestExport:
    """An export is a file with the model's inputs and outputs, and an account of how it was made."""

    def test_account(self, exported):
        """The account has the opset asked for and written."""
        assert (exported.opset_asked, exported.opset, exported.graph.opset) == (18, 18, 18)

    def test_inputs(self, exported):
        """Both inputs have their names, in order, and the dimension that was freed has its name."""
        assert exported.graph.inputs == (Value("x", "float32", ("rows", 3)), Value("factor", "float32", (4,)))

    def test_output(self, exported):
        """The output has the name asked for."""
        assert exported.graph.output_names == ("y",)

    def test_values(self, exported, model):
        """The file's output is the model's on inputs and a size that were not traced."""
        output = OnnxRuntime().open(exported.path).run(UNSEEN)
        assert_same(output, reference(model, UNSEEN, ["y"]), f"loud-{exported.exporter}")

    def test_one_file(self, exported):
        """By default there is one file, with nothing beside it."""
        assert list(exported.path.parent.iterdir()) == [exported.path]

    def test_opset_written(self, monkeypatch, tmp_path):
        """The opset written is read from the file."""
        text = '<ir_version: 8, opset_import: ["": 17]> other (float[2] x) => (float[2] y) { y = Neg (x) }'
        monkeypatch.setattr(torch.onnx, "export", lambda model, inputs, path, **_: onnx.save(parse_model(text), path))
        made = export(nn.Identity(), INPUTS, tmp_path / "other.onnx", exporter=TORCHSCRIPT, opset=18)
        assert (made.opset_asked, made.opset) == (18, 17)

    def test_inputs_are_left_alone(self, tmp_path):
        """A model that works in place changes no array of the caller's."""
        x = np.zeros(2, np.float32)
        export(InPlace(), {"x": x}, tmp_path / "in_place.onnx", exporter=TORCHSCRIPT, opset=18)
        assert x.tolist() == [0, 0]

    def test_unknown_exporter(self, tmp_path):
        """An exporter that torch does not have is a ValueError that names those it has."""
        with pytest.raises(
            ValueError, match=f"no exporter 'torchscrip' in the installed torch; there is {TORCHSCRIPT}"
        ):
            export(nn.Identity(), INPUTS, tmp_path / "net.onnx", exporter="torchscrip", opset=18)


class TestSaid:
    """Warnings, output and logs of an export are in the account and nowhere else."""

    def test_warning(self, exported):
        """A warning has its category, its text, and the line of source that raised it."""
        (warning,) = [found for found in exported.warnings_of("UserWarning") if found.message == "look here"]
        assert warning.source == 'warnings.warn("look here", UserWarning, stacklevel=1)'
        assert (Path(warning.file).name, warning.line) == ("test_exporting.py", _line_of(warning.source))

    def test_other_category(self, exported):
        """Warnings of another category are not among them."""
        assert not [found for found in exported.warnings_of("TracerWarning") if found.message == "look here"]

    @pytest.mark.parametrize("text", SAID)
    def test_log(self, exported, text):
        """The log has each text, from Python, from native code and from loggers, without colours."""
        assert text in exported.log
        assert "\x1b" not in exported.log

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_silence(self, loud, tmp_path, exporter, capfd, recwarn):
        """Nothing reaches the terminal or the caller's warnings."""
        export(loud, INPUTS, tmp_path / "loud.onnx", exporter=exporter, opset=18)
        assert capfd.readouterr() == ("", "")
        assert not recwarn.list

    def test_afterwards(self, exported, capfd):
        """After an export, output is shown again."""
        print("out")
        os.write(2, b"err\n")
        assert capfd.readouterr() == ("out\n", "err\n")


class TestRefusal:
    """A model that an exporter refuses is an ExportError, and no file changes."""

    def test_message(self, refusal):
        """The message is the first paragraph of the innermost error, without colours."""
        error, _ = refusal
        assert str(error).partition(" exporter ")[2] == (
            "refused the model at opset 18: ArithmeticError: no way\nthrough here"
        )

    def test_cause(self, refusal):
        """The exporter's own exception is the cause, with its whole message."""
        error, _ = refusal
        assert isinstance(error.__cause__, Exception)
        assert "A page of advice." in str(error.__cause__) or "A page of advice." in str(error.__cause__.__cause__)

    def test_folder(self, refusal):
        """The earlier file is whole, and nothing lies beside it."""
        _, folder = refusal
        assert [path.read_bytes() for path in folder.iterdir()] == [b"an earlier export"]

    def test_no_model(self, tmp_path):
        """A model without outputs leaves no file: torchscript writes an invalid one."""
        with pytest.raises(
            ExportError, match=r"^the file that the torchscript exporter wrote at opset 18 is not a whole ONNX"
        ):
            export(
                NoOutput(), {"x": INPUTS["x"]}, tmp_path / "none.onnx", exporter=TORCHSCRIPT, opset=18, output_names=()
            )
        assert not list(tmp_path.iterdir())

    def test_silence(self, tmp_path, capfd):
        """Nothing reaches the terminal."""
        with pytest.raises(ExportError):
            export(Refused(), {"x": INPUTS["x"]}, tmp_path / "refused.onnx", exporter=TORCHSCRIPT, opset=18)
        assert capfd.readouterr() == ("", "")

    def test_no_message(self, monkeypatch, tmp_path):
        """An exception without a message is named by its type."""

        def refuse(*args, **options):
            raise AssertionError

        monkeypatch.setattr(torch.onnx, "export", refuse)
        with pytest.raises(ExportError, match=r"refused the model at opset 18: AssertionError$"):
            export(nn.Identity(), INPUTS, tmp_path / "net.onnx", exporter=TORCHSCRIPT, opset=18)


@needs_torch_export
class TestExternalData:
    """With `external_data` the weights lie in a second file."""

    def test_two_files(self, split_export):
        """The second file lies beside the first, which names it."""
        assert {path.name for path in split_export.path.parent.iterdir()} == {"net.onnx", "net.onnx.data"}
        assert external_files(split_export.path) == (Path("net.onnx.data"),)

    def test_moved(self, split_export, large, tmp_path):
        """Both files together can be moved."""
        shutil.copytree(split_export.path.parent, tmp_path / "moved")
        output = OnnxRuntime().open(tmp_path / "moved" / "net.onnx").run(LARGE_INPUTS)
        assert_same(output, reference(large, LARGE_INPUTS), "moved")

    def test_moved_alone(self, split_export, tmp_path):
        """The first file without the second cannot be read."""
        shutil.copy(split_export.path, tmp_path)
        with pytest.raises(GraphError, match=r"net\.onnx: .*net\.onnx\.data"):
            load_model(tmp_path / "net.onnx")


def _line_of(source: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return 1 + [line.strip() for line in lines].index(source)
