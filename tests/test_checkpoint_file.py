"""Chapter checkpoint, the file: what it holds, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import srcnn_models as srcnn

NAMES = ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "conv3.weight", "conv3.bias")


class RunsCode:
    """An object whose pickle calls a function when it is loaded."""

    def __reduce__(self):
        return print, ("the checkpoint ran code",)


class TestFile:
    """The checkpoint is a .pth file whose `state_dict` entry holds the weights."""

    @pytest.mark.claim("checkpoint-file")
    def test_entry_holds_the_weights(self, checkpoint):
        """Six float32 tensors under one prefix, 20,099 numbers in all."""
        saved = srcnn.load_checkpoint(checkpoint)
        assert list(saved) == [f"generator.{name}" for name in NAMES]
        assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
        assert sum(tensor.numel() for tensor in saved.values()) == 20_099

    @pytest.mark.claim("checkpoint-file")
    @pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
    def test_code_is_not_run(self, is_zip, tmp_path, capsys):
        """A checkpoint that would run code when it is loaded is refused, and does not run it."""
        content = {"state_dict": {"conv1.weight": RunsCode()}}
        torch.save(content, tmp_path / "hostile.pth", _use_new_zipfile_serialization=is_zip)
        with pytest.raises(ValueError, match=r"hostile.pth: not a checkpoint of tensors"):
            srcnn.load_checkpoint(tmp_path / "hostile.pth")
        assert capsys.readouterr().out == ""

    @pytest.mark.claim("checkpoint-file")
    @pytest.mark.parametrize("content", [b"", b"\x89PNG", b"PK\x03\x04 broken"], ids=["empty", "png", "broken-zip"])
    def test_other_file_is_refused(self, content, tmp_path):
        """A file that is no checkpoint is refused by name."""
        (tmp_path / "other.pth").write_bytes(content)
        with pytest.raises(ValueError, match=r"other\.pth"):
            srcnn.load_checkpoint(tmp_path / "other.pth")

    @pytest.mark.claim("checkpoint-file")
    @pytest.mark.parametrize("content", [{"weights": {}}, {"state_dict": 3}, [1]], ids=["absent", "number", "list"])
    def test_missing_entry_is_refused(self, content, tmp_path):
        """A checkpoint without a dict under `state_dict` is refused by name."""
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(ValueError, match=r"other.pth: the checkpoint has no 'state_dict'"):
            srcnn.load_checkpoint(tmp_path / "other.pth")

    @pytest.mark.claim("checkpoint-file")
    @given(
        is_zip=st.booleans(), cut=st.integers(0, 30), at=st.integers(0, 2000), byte=st.binary(min_size=1, max_size=4)
    )
    def test_damaged_file_is_refused(self, tmp_path_factory, is_zip, cut, at, byte):
        """A checkpoint that is cut, or overwritten anywhere, is read or is refused by name."""
        path = tmp_path_factory.getbasetemp() / "damaged.pth"
        torch.save({"state_dict": {"conv1.weight": torch.ones(2)}}, path, _use_new_zipfile_serialization=is_zip)
        data = bytearray(path.read_bytes())
        place = at % len(data)
        data[place : place + len(byte)] = byte
        path.write_bytes(data[: len(data) - cut])
        problem = f"{path}: none"
        try:
            srcnn.load_checkpoint(path)
        except ValueError as error:
            problem = str(error)
        assert problem.startswith(f"{path}: ")

    @pytest.mark.claim("checkpoint-file")
    def test_deep_file_is_refused(self, tmp_path):
        """A hundred thousand lists in each other are refused by name."""
        (tmp_path / "deep.pth").write_bytes(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
        with pytest.raises(ValueError, match=r"deep\.pth: "):
            srcnn.load_checkpoint(tmp_path / "deep.pth")
