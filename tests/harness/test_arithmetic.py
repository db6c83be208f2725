"""A model runs in float64, and in other orders of rounding, without being changed."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from onnxproof.engines import arithmetic
from onnxproof.engines.decisions import Decisions
from onnxproof.engines.torch import TorchModel, copied
from tests.harness.good_conversions.making import built, normal

ROWS = normal(4, 6)
SCALES = torch.tensor([1.5, 0.5, 2, 3, 0.25, 4, 1, 2])


def model_of(module):
    """A module of one input as an engine's session."""
    return TorchModel(module, ["x"], ())


class Function(nn.Module):
    """A module of a function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _in_place(x):
    made = torch.zeros(4, 6)
    made[:, 0] = x[:, 0]
    made.add_(x).mul_(1 / 3)
    return made


FUNCTIONS = {
    "float32-constant": lambda x: x * torch.full((6,), 1 / 3, dtype=torch.float32),
    "cast": lambda x: x.to(torch.float32) / 3,
    "python-number": lambda x: x / 3,
    "in-place": _in_place,
    "view-of-a-constant": lambda x: x * SCALES[2:] / 3,
    "keyword-dtype": lambda x: x.sum(-1, dtype=torch.float32) / 3,
    "cond": lambda x: torch.cond(x.sum() > 0, lambda x: x / 3, lambda x: x / 7, (x,)),
}


class TestFloat64:
    """The float64 run rounds nothing to float32."""

    @pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
    def test_functions(self, function):
        """Constants, casts and changes in place are float64, and later runs in float32 are as before."""
        model = model_of(Function(function))
        before, exact, after = model.run({"x": ROWS}), model.run_in_float64({"x": ROWS}), model.run({"x": ROWS})
        error = np.abs(exact["output"] - before["output"])
        assert exact["output"].dtype == np.float64
        assert 0 < error.max() < 1e-6
        np.testing.assert_array_equal(before["output"], after["output"], strict=True)

    @pytest.mark.parametrize(
        ("module", "inputs"),
        [
            pytest.param(lambda: nn.Linear(6, 3), ROWS, id="linear"),
            pytest.param(lambda: nn.LSTM(6, 3, batch_first=True), normal(2, 5, 6), id="lstm-compares-dtypes"),
            pytest.param(
                lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), normal(2, 5, 6), id="transformer"
            ),
            pytest.param(
                lambda: torch.jit.script(nn.Linear(6, 3)),
                ROWS,
                id="scripted",
                marks=pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning"),
            ),
            pytest.param(lambda: nn.BatchNorm1d(6), ROWS, id="buffers"),
        ],
    )
    def test_layers(self, module, inputs):
        """It is what a copy of the model in float64 gives, and the weights stay as they are."""
        made = built(module)
        weights = {name: weight.clone() for name, weight in made.state_dict().items()}
        exact = model_of(made).run_in_float64({"x": inputs})
        wide = model_of(built(module).double()).run({"x": inputs.astype(np.float64)})
        assert {name: array.dtype.name for name, array in exact.items()} == dict.fromkeys(exact, "float64")
        for name, array in wide.items():
            np.testing.assert_allclose(exact[name], array, rtol=1e-13, atol=1e-15)
        assert all(torch.equal(weights[name], weight) for name, weight in made.state_dict().items())

    @pytest.mark.parametrize("most_patches", [1, 2**26], ids=["by-rows", "whole"])
    @pytest.mark.parametrize(
        ("outputs", "options"),
        [
            pytest.param(3, {"kernel_size": 5, "padding": 2}, id="narrowing"),
            pytest.param(1, {"kernel_size": (3, 2), "padding": (0, 1), "dilation": (3, 2)}, id="narrowing-dilated"),
            pytest.param(2, {"kernel_size": 1, "bias": False}, id="narrowing-1x1"),
            pytest.param(2, {"kernel_size": 3, "padding": (1, 4)}, id="padded-by-more-than-the-kernel"),
            pytest.param(2, {"kernel_size": 3, "stride": (2, 1), "padding": 1}, id="strided"),
            pytest.param(4, {"kernel_size": 3, "groups": 4}, id="grouped"),
            pytest.param(9, {"kernel_size": 3, "padding": 1, "dilation": 2}, id="widening"),
        ],
    )
    def test_convolutions(self, monkeypatch, outputs, options, most_patches):
        """A convolution has the values of torch's own in float64, however it is cut."""
        monkeypatch.setattr(arithmetic, "MOST_PATCHES", most_patches)
        layer, image = built(lambda: nn.Conv2d(8, outputs, **options)), normal(2, 8, 13, 11)
        exact = model_of(layer).run_in_float64({"x": image})["output"]
        wide = model_of(copy.deepcopy(layer).double()).run({"x": image.astype(np.float64)})["output"]
        np.testing.assert_allclose(exact, wide, rtol=1e-13, atol=1e-15, strict=True)

    @pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
    @pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
    def test_kept_result(self, mode):
        """A module that keeps a result of its weights is copied, and stays as it is."""
        module = built(lambda: nn.utils.weight_norm(nn.Linear(6, 3)))
        with mode():
            module(torch.ones(1, 6))
        kept = module.weight
        exact = model_of(copied(module)).run_in_float64({"x": ROWS})["output"]
        wide = model_of(copied(module).double()).run({"x": ROWS.astype(np.float64)})["output"]
        np.testing.assert_allclose(exact, wide, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(exact, model_of(module).run({"x": ROWS})["output"], rtol=1e-5, atol=1e-6)
        assert copied(module).weight is not kept

    def test_dtypes_compared(self):
        """A model that compares the dtypes of inputs and weights runs as a copy in float64, also step by step."""

        class Strict(nn.Linear):
            def forward(self, x: Tensor) -> Tensor:
                assert x.dtype == self.weight.dtype
                return super().forward(x)

        model = model_of(built(lambda: Strict(6, 3)))
        own, wide = (model.steps({"x": ROWS}, lambda _, value: value.dtype, wide=wide) for wide in (False, True))
        assert [step.operator for step in wide.steps] == [step.operator for step in own.steps] == ["linear"]
        assert (set(own.values), set(wide.values)) == ({torch.float32}, {torch.float64})
        assert model.run_in_float64({"x": ROWS})["output"].dtype == np.float64

    def test_buffer_is_written(self):
        """A float32 buffer that the model writes is written in float64 runs as well."""

        class Counts(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.register_buffer("runs", torch.zeros(1))

            def forward(self, x: Tensor) -> Tensor:
                self.runs.add_(1)
                return x * self.runs

        counts = Counts()
        model_of(counts).run_in_float64({"x": ROWS})
        assert counts.runs == 1


class TestRoundedAtRandom:
    """Another order of rounding moves values by as much as the model's own rounding does."""

    @pytest.mark.parametrize(
        ("module", "inputs"),
        [
            pytest.param(lambda: nn.Conv2d(64, 64, 3), normal(1, 64, 16, 16), id="convolution"),
            pytest.param(lambda: nn.Linear(1024, 64), normal(8, 1024), id="linear"),
            pytest.param(
                lambda: nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), normal(2, 9, 64), id="transformer"
            ),
            pytest.param(lambda: nn.LSTM(16, 32, batch_first=True), normal(2, 9, 16), id="lstm"),
        ],
    )
    def test_size(self, module, inputs):
        """Both are of one size."""
        model = model_of(built(module))
        (own, *_), (exact, *_) = model.run({"x": inputs}).values(), model.run_in_float64({"x": inputs}).values()
        moved = next(iter(model.run_rounded_at_random({"x": inputs}, 0).values()))
        own_error, spread = (np.sqrt(np.mean(np.square(found - exact))) for found in (own, moved))
        assert 0.7 * own_error < spread < 7 * own_error

    @pytest.mark.parametrize(
        "sum_up",
        [
            pytest.param(lambda x: x.mean((2, 3)), id="mean"),
            pytest.param(lambda x: x.sum(), id="sum"),
            pytest.param(lambda x: functional.group_norm(x, 2, SCALES[:4], SCALES[4:]).mean((2, 3)), id="group-norm"),
            pytest.param(lambda x: functional.instance_norm(x, weight=SCALES[:4]).mean((2, 3)), id="instance-norm"),
            pytest.param(lambda x: functional.layer_norm(x, [4, 256, 256]).mean(), id="layer-norm"),
        ],
    )
    def test_long_sums(self, sum_up):
        """A sum of many values moves by many units, and a normalization moves as one."""
        model, image = model_of(Function(sum_up)), normal(1, 4, 256, 256) + 1
        exact = model.run_in_float64({"x": image})["output"]
        apart = [np.abs(model.run_rounded_at_random({"x": image}, seed)["output"] - exact).max() for seed in range(6)]
        assert 4 < max(apart) / np.spacing(np.float32(max(1, np.abs(exact).max()))) < 2**8

    @pytest.mark.parametrize("sigmoid", [torch.sigmoid, lambda x: (1 * x).sigmoid_()], ids=["new", "in-place"])
    def test_sigmoid(self, sigmoid):
        """A sigmoid moves by units in the last place of a half, however small it is, and stays within 0 and 1."""
        model, x = model_of(Function(sigmoid)), np.array([-200, -12, -7, 0, 30], np.float32)
        own, moved = model.run({"x": x})["output"], model.run_rounded_at_random({"x": x}, 0)["output"]
        assert 2**-26 < np.abs(own - moved)[:3].max() <= np.abs(own - moved).max() < 2**-22
        assert 0 <= moved.min() <= moved.max() <= 1

    @pytest.mark.parametrize(
        "normalize",
        [
            pytest.param(lambda x: functional.group_norm(x, 2, SCALES[:4], SCALES[4:], 0.1), id="group-norm"),
            pytest.param(lambda x: functional.instance_norm(x, None, None, SCALES[:4], SCALES[4:]), id="instance-norm"),
            pytest.param(
                lambda x: functional.instance_norm(x, SCALES[:4], SCALES[4:], use_input_stats=False), id="given-figures"
            ),
            pytest.param(lambda x: functional.layer_norm(x, [32, 40], torch.ones(32, 40) * 3), id="layer-norm"),
        ],
    )
    def test_normalizations(self, normalize):
        """A normalization with other sums has torch's values up to rounding."""
        model, image = model_of(Function(normalize)), normal(3, 4, 32, 40)
        own, moved = model.run({"x": image})["output"], model.run_rounded_at_random({"x": image}, 0)["output"]
        assert own.dtype == moved.dtype
        np.testing.assert_allclose(moved, own, rtol=1e-4, atol=1e-5)
        assert (moved != own).any()

    def test_seed(self):
        """The seed chooses the order."""
        model = model_of(built(nn.Linear, 6, 3))
        outputs = [model.run_rounded_at_random({"x": ROWS}, seed)["output"].tobytes() for seed in (0, 0, 1)]
        assert outputs[0] == outputs[1] != outputs[2]

    def test_integers_stay(self):
        """Integral values are the same in every order."""
        model = model_of(Function(lambda x: torch.floor(x * 10) * 3))
        own = model.run({"x": np.arange(20, dtype=np.float32)})
        moved = model.run_rounded_at_random({"x": np.arange(20, dtype=np.float32)}, 0)
        np.testing.assert_array_equal(own["output"], moved["output"], strict=True)

    @pytest.mark.parametrize("dtype", [np.float32, np.int64])
    @pytest.mark.parametrize(
        "order",
        [
            pytest.param(lambda x: x.argsort(1), id="argsort"),
            pytest.param(lambda x: x.argsort(-1, descending=True), id="descending"),
            pytest.param(lambda x: x.T.sort(0)[1].T, id="first-axis"),
            pytest.param(lambda x: x.topk(3, 1)[1], id="topk"),
            pytest.param(lambda x: x.topk(4, 1, largest=False)[1], id="least"),
        ],
    )
    def test_ties(self, order, dtype):
        """Equal values take each other's places, in a TopK also those that it leaves out; other values stay."""
        x = np.array([[3, 1, 3, 2, 1, 3, 5], [7, 6, 5, 4, 3, 2, 1]], dtype)
        model = model_of(Function(order))
        own = model.run({"x": x})["output"]
        moved = np.array([model.run_rounded_at_random({"x": x}, seed)["output"] for seed in range(2)])
        ranked = np.take_along_axis(x, own, 1)
        assert all((np.take_along_axis(x, each, 1) == ranked).all() for each in moved)
        is_tied = np.isin(ranked, [1, 3]) & (np.arange(2) == 0)[:, None]
        np.testing.assert_array_equal((moved != own).any(0), is_tied)

    def test_stable(self):
        """A sort that keeps the order of ties does so in every order."""
        model = model_of(Function(lambda x: x.sort(dim=1, stable=True)[1]))
        x = np.array([[3.0, 1, 3, 2, 1, 3]])
        own, moved = model.run({"x": x})["output"], model.run_rounded_at_random({"x": x}, 0)["output"]
        np.testing.assert_array_equal(own, moved)

    @pytest.mark.parametrize(
        "pick",
        [
            pytest.param(lambda x: functional.max_pool1d(x, 3, 1, 1), id="pooling"),
            pytest.param(lambda x: x.amax(1), id="largest"),
            pytest.param(lambda x: x.min(1)[0], id="smallest"),
            pytest.param(lambda x: x.topk(2, 1)[0], id="topk"),
            pytest.param(lambda x: x.gather(1, torch.ones(4, 3, dtype=torch.long)), id="gather"),
        ],
    )
    def test_picked_values_stay(self, pick):
        """A value that is picked is the one that it was: a model may look for where the largest one is."""
        moved = model_of(Function(pick)).run_rounded_at_random({"x": ROWS}, 0)["output"]
        assert np.isin(moved, ROWS).all()

    def test_condition(self):
        """torch.cond runs, and the run after it is as before."""
        model = model_of(Function(FUNCTIONS["cond"]))
        before, moved, after = (
            model.run({"x": ROWS}),
            model.run_rounded_at_random({"x": ROWS}, 0),
            model.run({"x": ROWS}),
        )
        np.testing.assert_array_equal(before["output"], after["output"], strict=True)
        assert 0 < np.abs(moved["output"] - before["output"]).max() < 1e-5


NEAR = np.array([[1.0, 1.0 + 1e-7, 3.0], [2.0, 2.0 - 1e-7, 1.0]], np.float32)
PICKED = {
    "topk": lambda x: (x * 0.3).topk(2, 1).indices,
    "sort": lambda x: (x * 0.3).sort(1, descending=True)[0] * torch.arange(3),
    "maximum": lambda x: (x * 0.3)[:, :2].max(1)[1],
    "argmax": lambda x: (x * 0.3)[:, :2].argmax(1),
    "pooling": lambda x: torch.nn.functional.max_pool1d(x * 0.3, 2, return_indices=True)[1],
    "not-yet-filled": lambda x: torch.empty_like(x, dtype=torch.long).copy_(x * 0.3 > x[:, :1] * 0.3),
    "mask": lambda x: torch.where(x * 0.3 > x[:, :1] * 0.3, x, -x),
    "integer": lambda x: (x * 0.3 / 0.3).long() + 0 * x,
}


class TestDecisions:
    """What a run decides from floats can be decided again by another run."""

    @pytest.mark.parametrize("made", PICKED.values(), ids=PICKED)
    def test_again(self, made):
        """Another order of rounding that decides as the run did is near it; some order decides otherwise."""
        model = model_of(Function(made))
        own, taken = model.run({"x": NEAR})["output"], model.decisions({"x": NEAR})
        free = [Decisions() for _ in range(6)]
        for seed, each in enumerate(free):
            model.run_rounded_at_random({"x": NEAR}, seed, each.recorded)
            found = model.run_rounded_at_random({"x": NEAR}, seed, taken.again())
            np.testing.assert_allclose(found["output"], own, rtol=1e-5)
        assert any(each != taken for each in free)
        assert taken == model.decisions({"x": NEAR})

    @pytest.mark.parametrize("made", PICKED.values(), ids=PICKED)
    def test_float64(self, made):
        """So does a run in float64."""
        model = model_of(Function(made))
        exact = model.run_in_float64({"x": NEAR}, again=model.decisions({"x": NEAR}))["output"]
        np.testing.assert_allclose(exact, model.run({"x": NEAR})["output"], rtol=1e-5)

    def test_none(self):
        """Floats alone decide nothing, nor do integers by themselves."""
        assert not model_of(Function(lambda x: x.softmax(1) + torch.arange(3))).decisions({"x": NEAR})

    def test_other_operations(self):
        """The decisions of a run on other sizes are refused."""
        model = model_of(Function(PICKED["topk"]))
        taken = model.decisions({"x": NEAR})
        with pytest.raises(ValueError, match="other operations"):
            model.run_rounded_at_random({"x": NEAR[:1]}, 0, taken.again())
