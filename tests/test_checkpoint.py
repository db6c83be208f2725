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


def rename_in_place(state_dict):
    """The document's way: each key, of a list made before, gives its tensor to its name without the first component."""
    for key in list(state_dict):
        state_dict[key.partition(".")[2]] = state_dict.pop(key)
    return state_dict


class TestLoop:
    """The document's own loop renames the keys in the saved dict itself, and checks nothing."""

    @pytest.mark.claim("checkpoint-strip")
    def test_names_are_the_networks(self, checkpoint):
        """The checkpoint's keys become the network's names, each with the tensor that `strip_prefix` gives it."""
        saved = srcnn.load_checkpoint(checkpoint)
        stripped = srcnn.strip_prefix(saved)
        renamed = rename_in_place(saved)
        assert list(renamed) == list(NAMES)
        assert all(renamed[name] is stripped[name] for name in NAMES)

    @pytest.mark.claim("checkpoint-strip")
    @pytest.mark.parametrize(
        ("keys", "left"),
        [
            pytest.param(NAMES, {"weight": 4, "bias": 5}, id="already-stripped"),
            pytest.param(["module.conv1.weight", "step"], {"conv1.weight": 0, "": 1}, id="no-dot"),
            pytest.param(["a.conv1.weight", "b.conv1.weight"], {"conv1.weight": 1}, id="two-prefixes"),
            pytest.param(["module.step", "step"], {"": 0}, id="new-name-is-an-old-one"),
        ],
    )
    def test_what_strip_prefix_refuses_is_lost(self, keys, left):
        """Where keys become empty or the same, a tensor loses its name or is lost itself, and nothing is raised."""
        saved = {key: place for place, key in enumerate(keys)}
        with pytest.raises(ValueError, match=r"no dot|the same"):
            srcnn.strip_prefix(saved)
        assert rename_in_place(saved) == left


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
