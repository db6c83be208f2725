"""A file runs without torch, from its own data; if it needs more, the problem names what."""

import numpy as np
import pytest
from onnx import SparseTensorProto, TensorProto
from onnx.external_data_helper import set_external_data
from onnx.parser import parse_model

from onnxproof.engines import isolated as isolation
from onnxproof.engines.isolated import run_without_torch
from onnxproof.graph.load import GraphError, copy_with_data

CPU = "CPUExecutionProvider"
INPUTS = {"x": np.arange(4, dtype=np.float32)}
FILE = """
<ir_version: 8, opset_import: ["": 18, "own": 1]>
g (float[4] x) => (float[4] y) <float[4] weight = {1, 2, 3, 4}> { y = Mul (x, weight) }
"""
CUSTOM = FILE.replace("Mul (x", "own.Mul (x")
WITH_BODY = CUSTOM + '<domain: "own", opset_import: ["": 18]> Mul (a, b) => (c) { c = Mul (a, b) }'


@pytest.fixture
def written(tmp_path):
    """Writes a model in onnx's text to a file; with `data`, its weight refers to that file."""

    def write(text, data=None, path=tmp_path / "model.onnx"):
        model = parse_model(text)
        if data:
            weight = model.graph.initializer[0]
            raw = np.arange(4, dtype=np.float32).tobytes()
            weight.CopyFrom(TensorProto(name="weight", data_type=1, dims=[4], raw_data=raw))
            set_external_data(weight, data)
            weight.ClearField("raw_data")
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture
def data(tmp_path):
    """Writes the weight beside the file."""

    def write(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(np.arange(4, dtype=np.float32).tobytes())

    return write


class TestAlone:
    """A file that has all it needs runs."""

    def test_whole(self, written):
        """One file is enough."""
        assert run_without_torch(written(FILE), INPUTS, CPU) == ""

    @pytest.mark.parametrize("name", ["weight.bin", "data/weight.bin", "data/../weight.bin"])
    def test_data(self, written, data, name):
        """External data in the file's folder, or below it, comes along."""
        data(name)
        assert run_without_torch(written(FILE, data=name), INPUTS, CPU) == ""

    def test_body(self, written):
        """A custom operator runs with its body."""
        assert run_without_torch(written(WITH_BODY), INPUTS, CPU) == ""

    def test_file_is_left(self, written, tmp_path):
        """Nothing is left beside the file."""
        run_without_torch(written(FILE), INPUTS, CPU)
        assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


class TestNotAlone:
    """A file that needs more does not run; the reason is one line."""

    def test_custom_operator(self, written):
        """An operator without a body is named."""
        problem = run_without_torch(written(CUSTOM), INPUTS, CPU)
        assert "own" in problem
        assert "\n" not in problem

    def test_missing_data(self, written):
        """Missing data is named."""
        problem = run_without_torch(written(FILE, data="weight.bin"), INPUTS, CPU)
        assert problem == "its external data weight.bin is missing"

    @pytest.mark.parametrize(
        "name", ["../weight.bin", "/etc/hostname", "data/../../weight.bin", "{0}/weight.bin", "../{0.name}/weight.bin"]
    )
    def test_data_outside(self, written, data, tmp_path, name):
        """Data whose path leads out of the folder is not read, even if it exists or the path leads back."""
        data("weight.bin")
        name = name.format(tmp_path)
        problem = run_without_torch(written(FILE, data=name), INPUTS, CPU)
        assert problem == f"its external data {name} leads out of the file's folder"

    def test_link(self, written, data, tmp_path):
        """Nor is data behind a link."""
        data("weight.bin")
        (tmp_path / "inside").mkdir()
        (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "weight.bin")
        path = written(FILE, data="link.bin", path=tmp_path / "inside" / "model.onnx")
        assert run_without_torch(path, INPUTS, CPU) == "its external data link.bin leads out of the file's folder"

    @pytest.mark.parametrize("name", ["../{}/data", "x" * 5000], ids=["and-back", "too-long"])
    def test_other_place(self, tmp_path, name):
        """Nor is data of a tensor that onnx itself does not open; nothing is written outside the copy's folder."""
        (tmp_path / "data").touch()
        name = name.format(tmp_path.name)
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=name)
        model = parse_model(FILE)
        model.graph.sparse_initializer.append(SparseTensorProto(values=tensor, dims=[2]))
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        copy = tmp_path / "deep" / "copy"
        copy.mkdir(parents=True)
        assert copy_with_data(tmp_path / "model.onnx", copy).startswith(f"its external data {name} ")
        assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["copy", "model.onnx"]

    @pytest.mark.parametrize("name", ["nul\0", "loop/data"])
    def test_no_path(self, written, tmp_path, name):
        """A file with an impossible path is refused."""
        (tmp_path / "loop").symlink_to("loop")
        path = written(FILE, data=name)
        with pytest.raises(GraphError, match=r"model\.onnx: not a readable ONNX file"):
            run_without_torch(path, INPUTS, CPU)

    def test_inputs(self, written):
        """A refusal of the inputs is reported."""
        assert "Expected: 4" in run_without_torch(written(FILE), {"x": np.zeros(5, np.float32)}, CPU)

    def test_time(self, monkeypatch, written):
        """A run that does not end is stopped."""
        monkeypatch.setattr(isolation, "SECONDS", 0.01)
        assert run_without_torch(written(FILE), INPUTS, CPU) == "it runs for more than 0.01 s"

    def test_unreadable(self, tmp_path):
        """A file that is not ONNX raises."""
        (tmp_path / "model.onnx").write_bytes(b"not a model")
        with pytest.raises(GraphError):
            run_without_torch(tmp_path / "model.onnx", INPUTS, CPU)


class TestSurroundings:
    """The process has neither torch nor modules of the file's folder."""

    def test_torch(self, monkeypatch, written):
        """Importing torch fails."""
        monkeypatch.setattr(isolation, "_SCRIPT", isolation._SCRIPT + "\nimport torch")
        assert "torch" in run_without_torch(written(FILE), INPUTS, CPU)

    @pytest.mark.parametrize("name", ["numpy.py", "onnxruntime.py", "numpy/__init__.py"])
    def test_data_is_no_code(self, written, tmp_path, name):
        """Data with the name of a module is not run."""
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        run_without_torch(written(FILE, data=name), INPUTS, CPU)
        assert not (tmp_path / "ran").exists()
