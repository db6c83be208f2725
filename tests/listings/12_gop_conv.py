"""Listing 12: `g.op` with attributes."""


class Conv(torch.autograd.Function):
    @staticmethod
    def symbolic(g, image, weight, bias=None):
        if bias is None:
            bias = g.constant(0)
        return g.op("Conv", image, weight, bias, kernel_shape_i=(3, 3), strides_i=(1, 1), pads_i=(1, 1, 1, 1))

    @staticmethod
    def forward(ctx, image, weight, bias=None):
        return nn.functional.conv2d(image, weight, bias, stride=1, padding=1)


small_noise, weight, bias = torch.randn(1, 3, 24, 20), torch.randn(4, 3, 3, 3), torch.randn(4)
torch.onnx.export(
    OneOperator(Conv),
    (small_noise, weight, bias),
    "conv.onnx",
    opset_version=11,
    input_names=["image", "weight", "bias"],
    output_names=["output"],
)
