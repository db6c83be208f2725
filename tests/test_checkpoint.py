"""Chapter checkpoint: from the saved keys to the network's names."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import srcnn_models as srcnn
from onnxproof.engines.torch import TorchModel

NAMES = ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "conv3.weight", "conv3.bias")
NETWORKS = {
    "fixed": lambda: srcnn.SuperResolutionNet(3),
    "runtime": srcnn.RuntimeFactorNet,
    "item": srcnn.ItemFactorNet,
    "operator": srcnn.StrangeSuperResolutionNet,
    "portable": srcnn.PortableSuperResolutionNet,
}

components = st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), min_size=1)
names = st.lists(components, min_size=1, max_size=4).map(".".join)


class TestStrip:
    """Dropping the first dotted component of every key gives the network's names."""

    @pytest.mark.claim("checkpoint-strip")
    @pytest.mark.parametrize(
        ("key", "name"),
        [("module.conv1.weight", "conv1.weight"), ("generator.conv3.bias", "conv3.bias"), ("module.fc1", "fc1")],
        ids=["module", "generator", "fc1"],
    )
    def test_first_component_goes(self, key, name):
        """`module.conv1.weight` becomes `conv1.weight`; the tensor is the same one."""
        tensor = torch.ones(1)
        assert srcnn.strip_prefix({key: tensor})[name] is tensor

    @pytest.mark.claim("checkpoint-strip")
    @given(components, st.sets(names, min_size=1))
    def test_any_prefix_goes(self, prefix, found):
        """Under any prefix without a dot, any names come back, in their order."""
        saved = {f"{prefix}.{name}": torch.ones(1) for name in found}
        assert list(srcnn.strip_prefix(saved)) == list(found)

    @pytest.mark.claim("checkpoint-strip")
    def test_stripped_dict_passes(self):
        """A dict that already has the network's names comes back as an equal copy."""
        saved = dict.fromkeys(NAMES, torch.ones(1))
        stripped = srcnn.strip_prefix(saved, NAMES)
        assert stripped == saved
        assert stripped is not saved

    @pytest.mark.claim("checkpoint-strip")
    def test_given_dict_is_not_changed(self):
        """The dict that was given keeps its keys."""
        saved = {"module.conv1.weight": torch.ones(1)}
        srcnn.strip_prefix(saved)
        assert list(saved) == ["module.conv1.weight"]

    @pytest.mark.claim("checkpoint-strip")
    def test_key_without_prefix_is_refused(self):
        """A key without a dot would become empty: it is refused by name."""
        with pytest.raises(ValueError, match="'step' has no dot"):
            srcnn.strip_prefix({"module.conv1.weight": torch.ones(1), "step": torch.ones(1)})

    @pytest.mark.claim("checkpoint-strip")
    def test_collision_is_refused(self):
        """Two keys that become the same would lose one tensor: both are named."""
        with pytest.raises(ValueError, match=r"'a\.conv1\.weight' and 'b\.conv1\.weight' → 'conv1\.weight'"):
            srcnn.strip_prefix({"a.conv1.weight": torch.ones(1), "b.conv1.weight": torch.zeros(1)})


class TestLoads:
    """The adapted weights load into every variant."""

    @pytest.mark.claim("checkpoint-loads")
    @pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
    def test_names_match_strictly(self, network, weights):
        """No name is missing or left over: the up-sampling has no parameters."""
        assert set(network().state_dict()) == set(weights) == set(NAMES)
        network().load_state_dict(weights, strict=True)

    @pytest.mark.claim("checkpoint-loads")
    def test_saved_names_do_not_match(self, checkpoint):
        """Without the adaptation, loading is refused and the saved names are shown."""
        saved = srcnn.load_checkpoint(checkpoint)
        with pytest.raises(RuntimeError, match=r"generator\.conv1\.weight"):
            srcnn.SuperResolutionNet(3).load_state_dict(saved)

    @pytest.mark.claim("checkpoint-scale-free")
    @pytest.mark.parametrize("factor", [2, 3, 4], ids="x{}".format)
    def test_weights_serve_other_factors(self, trained, small_face, factor):
        """At each factor the network's output is near the up-sampled picture, but not the same."""
        network = trained(srcnn.SuperResolutionNet(factor))
        upsampled = TorchModel(network.img_upsampler, ("input",)).run({"input": small_face})["output"]
        output = TorchModel(network, ("input",)).run({"input": small_face})["output"]
        assert 0.5 < abs(output - upsampled).mean() < 10

    @pytest.fixture
    def weights(self, checkpoint):
        return srcnn.strip_prefix(srcnn.load_checkpoint(checkpoint))


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
        """A file that is not a checkpoint is refused by name."""
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
        """A checkpoint that is cut or partly overwritten is read, or refused by name."""
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
        """A hundred thousand nested lists are refused by name."""
        (tmp_path / "deep.pth").write_bytes(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
        with pytest.raises(ValueError, match=r"deep\.pth: "):
            srcnn.load_checkpoint(tmp_path / "deep.pth")
