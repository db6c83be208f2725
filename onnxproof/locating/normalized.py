"""A module's convolutions with its normalizations folded into them."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from onnxproof._internal.trees import Array, to_array


def normalized(module: nn.Module) -> Iterator[tuple[str, Array, str]]:
    """The weights and biases of each convolution with each normalization of as many channels folded into it.

    Each is a name, its values, and the name of its bias, "" for a bias itself.
    """
    named = dict(module.named_modules())
    convolutions = {name: each for name, each in named.items() if isinstance(each, nn.Conv1d | nn.Conv2d | nn.Conv3d)}
    norms = {name: each for name, each in named.items() if isinstance(each, nn.modules.batchnorm._BatchNorm)}
    for name, conv in convolutions.items():
        for other, norm in norms.items():
            mean, variance = norm.running_mean, norm.running_var
            if norm.num_features == conv.out_channels and mean is not None and variance is not None:
                with torch.no_grad():
                    weight, bias = fuse_conv_bn_weights(
                        conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
                    )
                folded = f"{name}.bias with {other}"
                yield f"{name}.weight with {other}", to_array(weight), folded
                yield folded, to_array(bias), ""
