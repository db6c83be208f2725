"""Chapter custom operator: the arguments of an autograd.Function's forward and symbolic."""

import inspect

import pytest
import torch
from torch.autograd import Function

import srcnn_models as srcnn
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.load import load_model
from onnxproof.results import Target
from onnxproof.versions import LOWEST_OPSET, TORCHSCRIPT
from tests.inputs import DYNAMIC_SIZE, scales


class TestSignature:
    """The arguments of forward and symbolic."""

    @pytest.mark.claim("operator-signature")
    def test_signatures_differ_in_the_first_argument(self):
        """`forward` takes ctx and `symbolic` takes g; the arguments after that are the same."""
        forward = list(inspect.signature(srcnn.NewInterpolate.forward).parameters)
        symbolic = list(inspect.signature(srcnn.NewInterpolate.symbolic).parameters)
        assert (forward[0], symbolic[0]) == ("ctx", "g")
        assert forward[1:] == symbolic[1:]


class TestContext:
    """`forward` must take ctx as its first argument."""

    @pytest.mark.claim("operator-ctx-required")
    def test_forward_without_ctx_is_refused(self, arguments):
        """Called with one argument more than it takes, such a forward raises a TypeError."""
        without_ctx = type("WithoutCtx", (Function,), {"forward": staticmethod(srcnn.scale_bicubic)})
        with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
            without_ctx.apply(*arguments)

    @pytest.mark.claim("operator-ctx-required")
    def test_it_is_refused_beside_setup_context(self, arguments):
        """So does one that has a `setup_context` beside it."""
        with pytest.raises(TypeError):
            srcnn.ContextFreeInterpolate.apply(*arguments)

    @pytest.mark.instead("operator-ctx-required")
    def test_setup_context_takes_ctx_instead(self, arguments):
        """With a `setup_context`, a forward without ctx computes what `interpolate` does, bit for bit."""
        assert torch.equal(srcnn.ContextFreeInterpolate.apply(*arguments), srcnn.scale_bicubic(*arguments))

    @pytest.mark.instead("operator-ctx-required")
    def test_file_is_the_same(self, exported, trained, noise):
        """Its file holds the same graph as that of the operator whose forward takes ctx."""
        inputs = {"input": noise(1, 3, 24, 20), "factor": scales(2)}
        target = Target(TORCHSCRIPT, LOWEST_OPSET[TORCHSCRIPT])
        networks = {"context-free": srcnn.ContextFreeNet(), "strange": srcnn.StrangeSuperResolutionNet()}
        files = [exported(name, trained(made), inputs, target, dynamic=DYNAMIC_SIZE) for name, made in networks.items()]
        assert graph_differences(*(load_model(file.path) for file in files)) == ()

    @pytest.fixture
    def arguments(self, small_face):
        return torch.from_numpy(small_face), torch.from_numpy(scales(2, 3))
